"""A typed client of Runpod's public API: management (REST v2), the queue and load balancers."""

from __future__ import annotations

from ..wire.job_state import JobState, JobStateName
from .load_balancer_client import BalancerResponse, LoadBalancerClient
from .log_client import LogClient
from .management import ManagementClient
from .models import CpuType, Endpoint, GpuListing, Volume, Worker, Workers
from .queue import JobStatus, QueueClient
from .rate_limit import Pace
from .retry import RetryPolicy

__all__ = [
    "BalancerResponse",
    "CpuType",
    "Endpoint",
    "GpuListing",
    "JobState",
    "JobStateName",
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
