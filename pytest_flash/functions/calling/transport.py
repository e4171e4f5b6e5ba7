"""How calls are carried: the seam between calls and Runpod, or this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ...runpod import BalancerResponse, Endpoint, JobStatus


class JobQueue(Protocol):
    """What ``RemoteCalls`` asks of a queue; see ``runpod.QueueClient``."""

    status_rate: float

    async def runsync(self, endpoint_id: str, payload: bytes, *, wait: float) -> JobStatus:
        """Submit a job and wait up to ``wait`` seconds for its end."""

    async def run(self, endpoint_id: str, payload: bytes) -> JobStatus:
        """Submit a job and return at once."""

    async def status(self, endpoint_id: str, job_id: str) -> JobStatus:
        """What became of a job."""

    async def cancel(self, endpoint_id: str, job_id: str) -> JobStatus:
        """Cancel a job."""

    async def health(self, endpoint_id: str) -> Mapping[str, Any]:
        """Counters of jobs and workers."""

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""


class Balancer(Protocol):
    """What ``RemoteCalls`` asks of a load balancer; see ``runpod.LoadBalancerClient``."""

    async def execute(self, endpoint: Endpoint, payload: bytes) -> BalancerResponse:
        """Have a worker run a FunctionRequest."""
