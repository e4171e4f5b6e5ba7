"""What a call prints, said in its worker's log too, so that its caller hears it while it runs.

A worker keeps what functions print until they end.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import time
from collections.abc import Callable

from .log_marks import Piece, marked
from .signing import Signer

# Characters that a call may say at once, and then in a second: a log is not to hold it up. Who has
# said too much is silent until it may say some of that again.
_BURST, _RATE, _ENOUGH = 500_000.0, 100_000.0, 250_000.0
# How often a line that is written over and over, such as a progress bar, is said.
_PROGRESS = 2.0
# A line without an end is said in parts of this.
_ENDLESS = 65_536


def _standard_output() -> int:
    """On a worker a descriptor of our own, whatever functions do with theirs."""
    if __name__.startswith("pytest_flash."):
        return 1  # At the caller, where no function runs.
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    # A number that what closes "all" descriptors mostly leaves alone.
    high = 1024 if most == resource.RLIM_INFINITY else min(1024, most // 2)
    try:
        return fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, high)
    except OSError:
        return -1  # It was closed before the first call: nothing is said.


_LOG = _standard_output()
_getpid = os.getpid  # A function may leave another in its place.


class LivePrinter:
    """Says what the signer's call prints, as whole lines, on the process's standard output.

    Not what its child processes print: where that stands in the output nobody knows. Whoever
    calls ``add`` sees to it that only one thread does at a time.
    """

    def __init__(self, signer: Signer, clock: Callable[[], float] = time.monotonic) -> None:
        self._signer = signer
        self._clock = clock
        self.run = os.urandom(4).hex()
        self._process = _getpid()
        self._position = 0
        self._begun: list[str] = []
        self._length = 0
        self._returns = False
        self._allowance = _BURST
        self._silent = False
        self._said = self._counted = clock()

    @property
    def is_ours(self) -> bool:
        """Whether this is the process of the call, not a child of it."""
        return _getpid() == self._process

    def add(self, text: str) -> None:
        """The call printed ``text``."""
        lines, end, rest = text.rpartition("\n")
        if end:
            self._say("".join((*self._begun, lines, end)))
            self._begun, self._length, self._returns = [], 0, False
        if rest:
            self._begun.append(rest)
            self._length += len(rest)
            self._returns = self._returns or "\r" in rest
            if self._length > _ENDLESS or (self._returns and self._rested()):
                self._say("".join(self._begun))
                self._begun, self._length, self._returns = [], 0, False

    def _rested(self) -> bool:
        return self._clock() - self._said >= _PROGRESS

    def _say(self, text: str) -> None:
        at = self._position
        self._position += len(text)
        now = self._clock()
        refilled = self._allowance + (now - self._counted) * _RATE
        self._allowance, self._counted = min(_BURST, refilled), now
        self._silent = self._allowance < (max(_ENOUGH, len(text)) if self._silent else len(text))
        if self._silent:
            return  # It comes with the result.
        self._allowance -= len(text)
        self._said = now
        # A log that takes nothing is no reason for the function to fail.
        with contextlib.suppress(OSError):
            for line in marked(Piece(self.run, at, text), self._signer):
                os.write(_LOG, line)
