"""So many requests in any window of time."""

from __future__ import annotations

import math
from collections import deque


class SlidingWindow:
    """At most ``limit`` turns in any ``seconds``. Times are of one clock, in seconds.

    Not safe to share by threads.
    """

    def __init__(self, limit: int, seconds: float) -> None:
        if limit < 1 or seconds < 0:
            raise ValueError(f"{limit} requests in {seconds} s lets nothing through")
        self.limit = limit
        self.seconds = seconds
        self._turns: deque[float] = deque(maxlen=limit)

    @property
    def free_at(self) -> float:
        """When the next turn may begin, if not earlier."""
        full = len(self._turns) == self.limit
        return self._turns[0] + self.seconds if full else -math.inf

    def take(self, at: float) -> None:
        """A turn begins at ``at``. Where there was none, the oldest one is forgotten."""
        self._turns.append(at)

    def reserve(self, now: float) -> float:
        """Take the next turn; how many seconds it is away. They come in the order of asking."""
        latest = self._turns[-1] if self._turns else now
        turn = max(now, latest, self.free_at)
        self.take(turn)
        return turn - now

    def used(self, now: float) -> int:
        """How many turns the window that ends now has."""
        while self._turns and self._turns[0] + self.seconds <= now:
            self._turns.popleft()
        return len(self._turns)

    def left(self, now: float) -> float:
        """The seconds until its oldest turn counts no more; all of a window where there is none."""
        return self._turns[0] + self.seconds - now if self.used(now) else self.seconds
