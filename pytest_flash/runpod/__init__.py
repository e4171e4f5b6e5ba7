"""A typed client of Runpod's public API: management (REST v2), the queue and load balancers."""

from __future__ import annotations

from .balancer import Answer, LoadBalancerClient
from .logs import LogClient
from .management import ManagementClient
from .models import CpuType, Endpoint, GpuType, Volume, Worker, Workers
from .pace import Pace
from .queue import JobState, JobStatus, QueueClient
from .retry import RetryPolicy

__all__ = [
    "Answer",
    "CpuType",
    "Endpoint",
    "GpuType",
    "JobState",
    "JobStatus",
    "LoadBalancerClient",
    "LogClient",
    "ManagementClient",
    "Pace",
    "QueueClient",
    "RetryPolicy",
    "Volume",
    "Worker",
    "Workers",
]
