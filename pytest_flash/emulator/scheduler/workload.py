"""What workers are for, whatever it is: jobs of a queue, or HTTP requests."""

from __future__ import annotations

from typing import Protocol


class Work(Protocol):
    """A job, or a request, that has not ended. The times are seconds of the event loop's clock.

    ``taken_at`` is None, and ``worker_id`` empty, while it waits; ``scope`` is the one that it was
    made in, for faults.
    """

    @property
    def id(self) -> str: ...  # noqa: D102 - see above
    @property
    def scope(self) -> str | None: ...  # noqa: D102
    @property
    def submitted_at(self) -> float: ...  # noqa: D102
    @property
    def taken_at(self) -> float | None: ...  # noqa: D102
    @property
    def worker_id(self) -> str: ...  # noqa: D102


class Workload(Protocol):
    """What waits at an endpoint and what runs on its workers, for those who start and end them."""

    def __len__(self) -> int:
        """How much there is, results included that somebody may ask for."""

    @property
    def pressing(self) -> int:
        """How much waits that may start a worker."""

    @property
    def in_progress(self) -> int:
        """How much runs."""

    def runs(self, work_id: str, worker_id: str) -> bool:
        """Whether it is in progress on this worker: after a retry it may be elsewhere."""

    def no_result(self, work_id: str, worker_id: str, error: str) -> None:
        """A worker has come back without a result of what it was running."""

    def worker_died(self, work_id: str, worker_id: str, error: str) -> None:
        """A worker has died of, or with, what it was running."""

    def advance(self, scope: str, seconds: float) -> None:
        """Let ``seconds`` pass at once for what was made in ``scope``."""

    def fail_waiting(self, error: str) -> None:
        """Nothing will ever take what waits."""

    def close(self) -> None:
        """End everything: the endpoint is going."""
