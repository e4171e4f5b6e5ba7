"""The states of a job."""

from __future__ import annotations

from enum import Enum
from typing import Literal

JobStateName = Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"]
"""What a job's state is called, for type checkers."""


class JobState(str, Enum):
    """The states of a job; the last four are terminal (Runpod docs, job-states)."""

    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"

    @property
    def is_terminal(self) -> bool:
        """Whether a job stays in this state until it is forgotten or retried."""
        return self not in (JobState.IN_QUEUE, JobState.IN_PROGRESS)
