"""What the worker relies on in its own process, put back before and after each job's code.

Everything else that a job changes stays for the next one, as on Runpod.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from .log import Log

_getpid = os.getpid  # A job may leave another in its place.


class Upkeep:
    """Keeps the process usable for the worker's own code. For the main thread.

    ``stop`` is called at SIGTERM, and then the handler that a job has set, if one has.
    """

    def __init__(self, log: Log, stop: Callable[[], object]) -> None:
        self._log = log
        self._limit = sys.getrecursionlimit()
        self._process = _getpid()
        self._stop = stop
        self._handler: Any = self._terminate  # As it is compared with what is set.
        self._jobs_handler: Any = None
        signal.signal(signal.SIGTERM, self._handler)
        self.restore()

    def restore(self) -> None:
        """Call it as soon as a job's code has returned or raised."""
        if _getpid() != self._process:
            # It would take jobs and give results in its parent's name.
            self._log.note("a process that a function forked returned from it, and is ended")
            os._exit(1)
        if sys.getrecursionlimit() < self._limit:
            sys.setrecursionlimit(self._limit)
        if sys.gettrace() is not None:
            sys.settrace(None)
        if sys.getprofile() is not None:
            sys.setprofile(None)
        if (found := signal.getsignal(signal.SIGTERM)) is not self._handler:
            self._jobs_handler = found
            signal.signal(signal.SIGTERM, self._handler)
        if signal.getsignal(signal.SIGPIPE) is not signal.SIG_IGN:
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        self._stop()
        if callable(self._jobs_handler):
            self._jobs_handler(number, frame)
