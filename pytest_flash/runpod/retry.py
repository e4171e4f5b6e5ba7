"""When a request is sent again, and how long to wait before."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..backoff import Backoff
from ..clock import monotonic
from ..errors import RunpodConnectionError, RunpodError


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how patiently requests are repeated. Times are seconds.

    The pause before attempt n+1 is drawn from 0 to ``base`` doubled n-1 times, at most ``cap``
    (full jitter). A longer ``Retry-After`` than ``longest_wait`` ends the call: it names the
    quota of an hour or a day. ``deadline`` bounds one call with its pauses; time spent waiting
    for a turn under the quota is not counted. ``settle`` is how long a create whose outcome is
    unknown is given to show up before it is sent again.
    """

    attempts: int = 5
    base: float = 0.5
    cap: float = 8.0
    longest_wait: float = 60.0
    deadline: float = 120.0
    settle: float = 5.0
    clock: Callable[[], float] = monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random

    def backoff(self, attempts: int) -> float:
        """The pause after ``attempts`` failures in a row."""
        return self.jitter() * Backoff(self.base, self.cap).pause(attempts)


# The embedded Runpod has no quota and no outages: when it is away, it has stopped for good.
EMBEDDED = RetryPolicy(attempts=3, base=0.05, deadline=60.0, settle=1.0)


@dataclass(frozen=True)
class Failure:
    """An attempt that failed.

    ``error`` is raised if it was the last one. ``transient``: another attempt may succeed.
    ``reached``: the request may have taken effect. ``wait``: the server's ``Retry-After``.
    """

    error: RunpodError
    transient: bool = False
    reached: bool = False
    wait: int | None = None


class Tries:
    """The attempts of one call, counted and timed."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._failed = 0
        self._began = policy.clock()
        self._excused = 0.0

    def remaining(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self._policy.deadline - self._elapsed()

    def excuse(self, seconds: float) -> None:
        """Do not count ``seconds`` that just passed."""
        self._excused += seconds

    def pause(self, failure: Failure) -> None:
        """Wait until the request may be repeated; raises the failure's error if it may not."""
        self._failed += 1
        asked = failure.wait or 0
        wait = asked + self._policy.backoff(self._failed)
        if (
            not failure.transient
            or self._failed >= self._policy.attempts
            or asked > self._policy.longest_wait
            or wait >= self.remaining()
        ):
            raise self._last(failure.error)
        self._policy.sleep(wait)

    def _elapsed(self) -> float:
        return self._policy.clock() - self._began - self._excused

    def _last(self, error: RunpodError) -> RunpodError:
        if self._failed == 1 or not isinstance(error, RunpodConnectionError):
            return error
        return RunpodConnectionError(
            f"{error} (tried {self._failed} times in {self._elapsed():.1f} s)"
        )
