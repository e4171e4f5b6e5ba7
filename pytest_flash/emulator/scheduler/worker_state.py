"""The life of a worker, as its pool sees it."""

from __future__ import annotations

from enum import Enum, auto


class WorkerState(Enum):
    """What a worker is. It changes in ``EmulatedWorker.advance`` alone.

    ::

        STARTING      → READY, THROTTLED, FAILED_START
        THROTTLED     → STARTING
        READY         → SERVING, RETIRING, FAILED_START
        SERVING       → RETIRING, FAILED
        RETIRING      → FAILED
        each of these → STOPPING, as FAILED_START and FAILED do
    """

    STARTING = auto()
    """Its process has yet to start, or to ask for a job or to become healthy."""
    THROTTLED = auto()
    """There is no capacity to start it."""
    READY = auto()
    """It takes jobs, and has had none."""
    SERVING = auto()
    """It takes jobs, and has had one."""
    RETIRING = auto()
    """It takes no further job, and ends once it has none."""
    FAILED_START = auto()
    """It has a problem, and has never had a job: another start may fail as well."""
    FAILED = auto()
    """It has a problem, and has had a job."""
    STOPPING = auto()
    """It was ordered to end."""

    @property
    def is_live(self) -> bool:
        """Whether it counts as one of the workers that its endpoint asked for."""
        return self in _LIVE

    @property
    def is_starting(self) -> bool:
        """Whether it has yet to take part."""
        return self in (WorkerState.STARTING, WorkerState.THROTTLED)

    @property
    def takes_jobs(self) -> bool:
        """Whether it may be given a job."""
        return self in (WorkerState.READY, WorkerState.SERVING)

    @property
    def had_no_job(self) -> bool:
        """Whether it, not stopping, has never had a job."""
        return self in _HAD_NO_JOB

    def leads_to(self, other: WorkerState) -> bool:
        """Whether a worker may change from this state to ``other``."""
        return other in _TRANSITIONS[self]


_HAD_NO_JOB = frozenset(
    {
        WorkerState.STARTING,
        WorkerState.THROTTLED,
        WorkerState.READY,
        WorkerState.FAILED_START,
    }
)
_LIVE = frozenset(WorkerState) - {
    WorkerState.FAILED_START,
    WorkerState.FAILED,
    WorkerState.STOPPING,
}
_TRANSITIONS = {
    WorkerState.STARTING: {
        WorkerState.THROTTLED,
        WorkerState.READY,
        WorkerState.FAILED_START,
        WorkerState.STOPPING,
    },
    WorkerState.THROTTLED: {WorkerState.STARTING, WorkerState.STOPPING},
    WorkerState.READY: {
        WorkerState.SERVING,
        WorkerState.RETIRING,
        WorkerState.FAILED_START,
        WorkerState.STOPPING,
    },
    WorkerState.SERVING: {WorkerState.RETIRING, WorkerState.FAILED, WorkerState.STOPPING},
    WorkerState.RETIRING: {WorkerState.FAILED, WorkerState.STOPPING},
    WorkerState.FAILED_START: {WorkerState.STOPPING},
    WorkerState.FAILED: {WorkerState.STOPPING},
    WorkerState.STOPPING: set(),
}
