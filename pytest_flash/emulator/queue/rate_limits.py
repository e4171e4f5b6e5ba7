"""Runpod's rate limits on the operations of an endpoint, for those who ask for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ...rate_limit import SlidingWindow
from ..server.http_errors import HttpError

_WINDOW = 10.0


@dataclass(frozen=True)
class Limit:
    """How many requests every 10 s, and how many at once (None: any number)."""

    requests: int
    concurrent: int | None = None


# Runpod docs, send-requests; those of an operation that is not listed there are not known.
LIMITS = {
    "run": Limit(1000, 200),
    "runsync": Limit(2000, 400),
    "status": Limit(2000, 400),
    "stream": Limit(2000, 400),
    "cancel": Limit(100, 20),
    "purge-queue": Limit(2),
    "requests": Limit(10, 2),
}


class RateLimits:
    """Counts requests by endpoint and operation, over a sliding window.

    ``clock`` gives seconds. The allowance that Runpod adds for each running worker is not
    documented, and not made here.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._windows: dict[tuple[str, str], SlidingWindow] = {}
        self._running: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def admitted(self, endpoint_id: str, operation: str) -> Iterator[None]:
        """Count a request for as long as it lasts. Raises HttpError 429 for one too many."""
        limit, key = LIMITS[operation], (endpoint_id, operation)
        now, window = self._clock(), self._windows.get(key)
        if window is None:
            window = self._windows[key] = SlidingWindow(limit.requests, _WINDOW)
        if window.free_at > now:
            raise HttpError(
                429, f"too many requests: {limit.requests} {operation} requests in 10 s at most"
            )
        if limit.concurrent is not None and self._running[key] >= limit.concurrent:
            raise HttpError(
                429, f"too many requests: {limit.concurrent} {operation} requests at once at most"
            )
        window.take(now)
        self._running[key] += 1
        try:
            yield
        finally:
            self._running[key] -= 1
