"""Pauses between attempts: ever longer ones, up to a limit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

# Beyond it a float has no room, and every pause has long been the last.
_MOST_DOUBLINGS = 500


@dataclass(frozen=True)
class Backoff:
    """``first`` seconds, ``factor`` times as long after each failure, at most ``last``."""

    first: float
    last: float = math.inf
    factor: float = 2.0

    def __post_init__(self) -> None:
        if self.first < 0 or self.last < 0 or self.factor < 1:
            raise ValueError(f"these pauses do not grow: {self}")

    def pause(self, failures: int) -> float:
        """The seconds to wait after ``failures`` in a row, which are at least one."""
        if failures < 1:
            raise ValueError("there is no pause before the first failure")
        return min(self.last, self.first * self.factor ** min(failures - 1, _MOST_DOUBLINGS))

    def pauses(self) -> Iterator[float]:
        """The pauses after the first failure, the second, and so on without end."""
        failures = 0
        while True:
            failures += 1
            yield self.pause(failures)
