"""A typed client of Runpod's public API: management (REST v2) and the queue plane."""

from __future__ import annotations

from .management import ManagementClient
from .models import CpuType, Endpoint, GpuType, Volume, Worker, Workers
from .pace import Pace
from .queue import JobState, JobStatus, QueueClient
from .retry import RetryPolicy

__all__ = [
    "CpuType",
    "Endpoint",
    "GpuType",
    "JobState",
    "JobStatus",
    "ManagementClient",
    "Pace",
    "QueueClient",
    "RetryPolicy",
    "Volume",
    "Worker",
    "Workers",
]
