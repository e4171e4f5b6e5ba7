"""A deadline for code that may wait without an end, such as opening a pipe."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise AssertionError in the block when it takes longer; on the main thread alone."""

    def expire(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"not within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
