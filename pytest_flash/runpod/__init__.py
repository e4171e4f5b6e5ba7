"""A typed client of Runpod's public API: management (REST v2) and the queue plane."""

from __future__ import annotations

from .management import Endpoint, ManagementClient
from .queue import JobState, JobStatus, QueueClient

__all__ = ["Endpoint", "JobState", "JobStatus", "ManagementClient", "QueueClient"]
