"""Turns for requests of which an endpoint takes so many in a second."""

from __future__ import annotations

import math
from collections.abc import Callable

from ...clock import monotonic


class Turns:
    """Gives out ``rate`` turns a second for each endpoint, of which ``burst`` may be at once.

    They come in the order in which they are asked for: who asks again and again, as the followers
    of many jobs do, gets an equal share. ``clock`` counts seconds.
    """

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = monotonic) -> None:
        self._apart = 1 / rate
        self._ahead = (burst - 1) / rate
        self._clock = clock
        self._next: dict[str, float] = {}

    def take(self, endpoint_id: str) -> float:
        """The next turn is the caller's; how many seconds it is away."""
        now = self._clock()
        # Turns that nobody took are kept, as many as may be at once.
        turn = max(self._next.get(endpoint_id, -math.inf), now - self._ahead)
        self._next[endpoint_id] = turn + self._apart
        return max(0.0, turn - now)
