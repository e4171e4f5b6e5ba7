"""The clocks that everything of ours goes by: none that tests replace.

freezegun replaces the functions of ``time``, under whatever names modules have them, and
``datetime``; time-machine replaces what they call, and ``CLOCK_REALTIME`` of ``clock_gettime``.
Loaded by every pytest run on the machine: PYTEST_DONT_REWRITE.
"""

from __future__ import annotations

import sys
import time

TYPE_CHECKING = False  # As type checkers see it; importing typing would cost too much here.

if TYPE_CHECKING:
    from datetime import datetime

# Linux's CLOCK_REALTIME_COARSE and CLOCK_MONOTONIC_COARSE, which Python has no names for: they tick
# together, every few milliseconds.
_REALTIME_COARSE, _MONOTONIC_COARSE = 5, 6


def monotonic() -> float:
    """Seconds that never go back, as ``time.monotonic`` has them."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)


def monotonic_ns() -> int:
    """As ``monotonic``, in nanoseconds."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def wall_time_ns() -> int:
    """Nanoseconds since 1970, as file times have them."""
    return monotonic_ns() + _since_1970()


def wall_time() -> float:
    """Seconds since 1970."""
    return wall_time_ns() / 1e9


def utc_now() -> datetime:
    """The date and time, in UTC."""
    from datetime import datetime, timedelta, timezone

    # Under freezegun these are names of its own, which compute as the real ones do.
    since = timedelta(microseconds=wall_time_ns() // 1000)
    return datetime(1970, 1, 1, tzinfo=timezone.utc) + since


def _since_1970() -> int:
    """When the monotonic clock was at zero."""
    if sys.platform != "linux":
        return _ANCHOR
    while True:
        before = time.clock_gettime_ns(_MONOTONIC_COARSE)
        date = time.clock_gettime_ns(_REALTIME_COARSE)
        if time.clock_gettime_ns(_MONOTONIC_COARSE) == before:
            return date - before


# Elsewhere only the clock that is replaced tells the date: it is read once.
_ANCHOR = time.clock_gettime_ns(time.CLOCK_REALTIME) - monotonic_ns()
