"""The queue plane: submitting jobs to an endpoint and reading what became of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from ..errors import RunpodConnectionError
from ..http.client_per_loop import PerLoop
from ..http.messages import Response, Timeouts
from ..security.api_key import without
from ..target import Target
from ..wire.job_state import JobState
from . import paths, response_errors
from .queue_requests import Sender

# Above the longest `wait` that a runsync request of ours asks for.
_TIMEOUT = Timeouts(connect=10.0, read=30.0)
# Half of what Runpod takes before it answers 429 (docs, send-requests: 2,000 in 10 s), since other
# processes may ask too. The embedded one takes as many as it can.
_LIVE_RATE, _EMBEDDED_RATE = 100.0, 500.0


_STATES = frozenset(state.value for state in JobState)


@dataclass(frozen=True)
class JobStatus:
    """One job as the queue plane reports it; the times are milliseconds, None until known."""

    id: str
    state: JobState
    output: Any = None
    error: str | None = None
    delay_time: int | None = None
    execution_time: int | None = None
    worker_id: str | None = None
    frames: TracebackType | None = field(default=None, repr=False, compare=False)
    """Where it raised, if it ran in this process."""


class QueueClient:
    """Submits and follows jobs, from any event loop; one pool of connections for each loop.

    Every method raises RunpodApiError for a refusal and RunpodConnectionError when no usable
    answer arrived. Nothing is retried here: only the caller knows what may be sent twice.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._senders = PerLoop(self._open)
        self.status_rate = _LIVE_RATE if target.is_live else _EMBEDDED_RATE
        """How many requests for status one endpoint should get in a second."""

    async def runsync(self, endpoint_id: str, payload: bytes, *, wait: float) -> JobStatus:
        """Submit a job and wait up to ``wait`` seconds (1 to 300) for its end.

        ``payload`` is the JSON text of the request body (``{"input": …}``). The job is not
        terminal in the answer when it needed longer. ``POST /{endpoint_id}/runsync?wait=ms``.
        """
        path = f"runsync?wait={int(wait * 1000)}"
        return await self._job("POST", endpoint_id, path, payload)

    async def run(self, endpoint_id: str, payload: bytes) -> JobStatus:
        """Submit a job and return at once. ``POST /{endpoint_id}/run``."""
        return await self._job("POST", endpoint_id, "run", payload)

    async def status(self, endpoint_id: str, job_id: str) -> JobStatus:
        """What became of a job. ``GET /{endpoint_id}/status/{job_id}``."""
        return await self._job("GET", endpoint_id, f"status/{paths.job(job_id)}")

    async def cancel(self, endpoint_id: str, job_id: str) -> JobStatus:
        """Cancel a job, queued or running. ``POST /{endpoint_id}/cancel/{job_id}``."""
        return await self._job("POST", endpoint_id, f"cancel/{paths.job(job_id)}")

    async def health(self, endpoint_id: str) -> Mapping[str, Any]:
        """Counters of jobs and workers. ``GET /{endpoint_id}/health``."""
        return response_errors.body(await self._send("GET", endpoint_id, "health", None))

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        await self._senders.aclose()

    def _open(self) -> Sender:
        return Sender(self._target, self._target.queue_url, _TIMEOUT)

    async def _job(
        self, method: str, endpoint_id: str, path: str, payload: bytes | None = None
    ) -> JobStatus:
        answer = response_errors.body(await self._send(method, endpoint_id, path, payload))
        return job_status(answer, self._target.api_key)

    async def _send(
        self, method: str, endpoint_id: str, path: str, payload: bytes | None
    ) -> Response:
        sender = await self._senders.get()
        url = f"{self._target.queue_url}/{paths.endpoint(endpoint_id)}/{path}"
        response = await sender.send(method, url, payload)
        response_errors.check(response)
        return response


def job_status(document: Mapping[str, Any], key: str | None = None) -> JobStatus:
    """Read a job's status body (Runpod docs, operation-reference).

    Raises RunpodConnectionError for a body that is no job. ``error`` is a string on the wire;
    anything else is shown as JSON. A ``workerId`` of ``""``, which strict clients are given for a
    job that no worker took, is none. Neither shows ``key``, which the body may quote.
    """
    status, job_id = document.get("status"), document.get("id")
    if not paths.is_id(job_id) or not isinstance(status, str) or status not in _STATES:
        raise RunpodConnectionError(f"the answer is not a job: {without(str(document), key)[:200]}")
    fault, worker = document.get("error"), document.get("workerId")
    fault = fault if fault is None or isinstance(fault, str) else json.dumps(fault)
    return JobStatus(
        id=str(job_id),
        state=JobState(status),
        output=document.get("output"),
        error=fault if fault is None else without(fault, key),
        delay_time=_milliseconds(document.get("delayTime")),
        execution_time=_milliseconds(document.get("executionTime")),
        worker_id=worker if isinstance(worker, str) and worker else None,
    )


def _milliseconds(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) and 0 <= value < float("inf") else None
