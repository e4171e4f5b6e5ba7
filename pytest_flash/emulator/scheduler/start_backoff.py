"""Whether another worker may be started, after some that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...backoff import Backoff

if TYPE_CHECKING:
    from ..startup.config import EmulatorTimings

_STARTS_TO_GIVE_UP = 3


class Starts:
    """Remembers failed starts: the next ones come singly, later each time, and not forever.

    ``hopeless`` is why queued jobs should fail now instead of waiting for a worker. ``refused``
    says that no program is known at all, so that no start is tried again.
    """

    def __init__(self, timings: EmulatorTimings) -> None:
        self._backoff = Backoff(timings.retry_delay, timings.retry_delay_max)
        self._failures = 0
        self._not_before = 0.0
        self.refused = False
        self.hopeless: str | None = None

    def refuse(self, reason: str) -> None:
        """Nothing can be started for this version of the endpoint."""
        self.refused, self.hopeless = True, reason

    def failed(self, reason: str, now: float) -> None:
        """A worker ended before it took a job."""
        self._failures += 1
        self._not_before = now + self._backoff.pause(self._failures)
        if self._failures >= _STARTS_TO_GIVE_UP:
            self.hopeless = (
                f"no worker starts; {self._failures} in a row failed. The last one: {reason}"
            )

    def advance(self, seconds: float) -> None:
        """The next start is due ``seconds`` earlier."""
        self._not_before -= seconds

    def succeeded(self) -> None:
        """A worker took a job."""
        self._failures, self._not_before, self.hopeless = 0, 0.0, None

    def demanded(self) -> None:
        """A new job arrived: try once more for it, without the delay."""
        if not self.refused and self.hopeless is not None:
            self._not_before, self.hopeless = 0.0, None

    def allowed(self, missing: int, *, starting: bool) -> int:
        """How many of the ``missing`` workers may be started, when one is ``starting`` already."""
        if self.refused:
            return 0
        if not self._failures:
            return missing
        return 0 if starting else min(missing, 1)

    def delay(self, now: float) -> float:
        """Seconds until the next start."""
        return max(0.0, self._not_before - now)
