"""Keeping requests under a quota: so many in any window of time."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable

from ..clock import monotonic
from ..rate_limit import SlidingWindow

# REST v2 allows 60 requests in 60 seconds (schema, header RateLimit-Policy). A request arrives
# some time after its turn, so the window is wider by more than the spread of that delay.
REQUESTS_PER_MINUTE = 59
WINDOW = 62.0

_MEMBER = re.compile(r'"[^"]*"((?:\s*;\s*[a-z]+=\d{1,9})*)')
_PARAMETER = re.compile(r"([a-z]+)=(\d+)")


class Pace:
    """Lets at most ``limit`` requests begin in any ``window`` seconds. Safe to share by threads.

    The quota is the account's: clients of one process that use the same key should be given the
    same pace. ``clock`` and ``sleep`` count seconds.
    """

    def __init__(
        self,
        limit: int = REQUESTS_PER_MINUTE,
        window: float = WINDOW,
        clock: Callable[[], float] = monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._window = SlidingWindow(limit, window)
        self._clock = clock
        self._sleep = sleep
        self._held_until = -float("inf")
        self._lock = threading.Lock()

    @classmethod
    def unlimited(cls) -> Pace:
        """A pace that never waits, for a Runpod without a quota."""
        return cls(1, 0.0)

    def wait(self) -> float:
        """Take a turn, waiting until there is one; returns the seconds waited."""
        began = self._clock()
        while (left := self.turn()) > 0:
            self._sleep(left)
        return self._clock() - began

    def hold(self, seconds: float) -> None:
        """Let nobody begin for ``seconds``, at most for one window: the server said so."""
        with self._lock:
            until = self._clock() + min(seconds, self._window.seconds)
            self._held_until = max(self._held_until, until)

    def turn(self) -> float:
        """Take a turn that begins now, or return the seconds until there may be one."""
        with self._lock:
            now = self._clock()
            begins = max(self._held_until, self._window.free_at)
            if begins <= now:
                self._window.take(now)
            return max(0.0, begins - now)


def exhausted_for(header: str) -> float:
    """Seconds until a used-up quota of a ``RateLimit`` header is renewed; 0 when none is.

    The header lists windows, each with the remaining requests ``r`` and the seconds ``t`` to its
    end: ``"minute";r=0;t=12, "hour";r=2800;t=1812`` (REST v2 schema, RateLimitHeader). What
    cannot be read counts as absent.
    """
    longest = 0
    for member in _MEMBER.finditer(header):
        values = {name: int(value) for name, value in _PARAMETER.findall(member[1])}
        if values.get("r") == 0:
            longest = max(longest, values.get("t", 0))
    return float(longest)
