"""Threads of an app that never return: neither its event loop nor Python waits for them to end."""

from __future__ import annotations

import concurrent.futures.thread
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from ...clock import monotonic

P = ParamSpec("P")
T = TypeVar("T")

_POLL = 0.01


class ImpatientPool(ThreadPoolExecutor):
    """A pool whose ``shutdown`` waits for at most ``patience`` seconds, counted from ``begin``.

    For ``asyncio.to_thread``: the end of an event loop shuts its default executor down.
    """

    def __init__(self, patience: float) -> None:
        # Named as asyncio's own.
        super().__init__(thread_name_prefix="asyncio")
        self._patience = patience
        self._deadline: float | None = None
        self._unfinished: set[Future[Any]] = set()

    def begin(self) -> float:
        """What runs is to end from now on; until when, on the monotonic clock."""
        self._deadline = monotonic() + self._patience
        return self._deadline

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run ``fn`` in a thread."""
        future = super().submit(fn, *args, **kwargs)
        self._unfinished.add(future)
        future.add_done_callback(self._unfinished.discard)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take nothing more, and wait for a while for what runs."""
        super().shutdown(wait=False, cancel_futures=cancel_futures)
        if wait:
            left = (self._deadline or self.begin()) - monotonic()
            concurrent.futures.wait(list(self._unfinished), timeout=max(left, 0))


class PoolThreads:
    """The threads of every pool that daemon threads start from now on."""

    def __init__(self) -> None:
        self._before = set(threading.enumerate())

    def abandon(self, deadline: float) -> None:
        """Wait until none is at work, or the monotonic clock shows ``deadline``; let Python exit
        without the rest, though it joins the threads of pools before it exits, daemons too.
        """
        while (busy := self._busy()) and monotonic() < deadline:
            time.sleep(_POLL)
        for thread in busy:
            _joined_at_exit().pop(thread, None)

    def _busy(self) -> list[threading.Thread]:
        frames = sys._current_frames()
        return [
            thread
            for thread in threading.enumerate()
            if thread in _joined_at_exit()
            and thread.daemon
            and thread not in self._before
            and thread.ident in frames
            # Where one waits for work.
            and frames[thread.ident].f_code.co_name != "_worker"
        ]


def _joined_at_exit() -> Any:
    """What ``concurrent.futures`` joins at exit; it offers no other way to leave a thread alone."""
    return getattr(concurrent.futures.thread, "_threads_queues", {})
