"""Calls of functions on load-balancing endpoints: one request each, and no job."""

from __future__ import annotations

import functools
from typing import Any

from ...errors import (
    ConfigurationError,
    JobFailedError,
    JobTimedOutError,
    NoCapacityError,
    OutcomeUnknownError,
    PayloadTooLargeError,
    RemoteError,
    RunpodApiError,
    RunpodConnectionError,
    WorkerDiedError,
)
from ...runpod import BalancerResponse, Endpoint, JobState, JobStatus
from ..declaration.specs import FunctionSpec
from .submission import EndpointFor, until_taken
from .transport import Balancer

# Runpod docs, load-balancing/overview.
LIMIT = 30_000_000
_NO_WORKERS = "no workers available"


class BalancedCalls:
    """Sends calls to workers. ``endpoint_for`` is as for ``RemoteCalls``."""

    def __init__(self, balancer: Balancer, endpoint_for: EndpointFor) -> None:
        self._balancer = balancer
        self._endpoint_for = endpoint_for

    async def execute(
        self, spec: FunctionSpec, endpoint: Endpoint, body: bytes
    ) -> tuple[Endpoint, JobStatus]:
        """Have a worker run ``spec``; what it answered, in the form of a job without an id.

        Raises RemoteError for a call that gave no answer, RunpodError where Runpod was not reached
        or refuses.
        """
        send = functools.partial(self._execute, spec, body)
        return await until_taken(spec, endpoint, send, self._endpoint_for)

    async def _execute(self, spec: FunctionSpec, body: bytes, endpoint: Endpoint) -> JobStatus:
        what = f"{spec.name} ({spec.location}) on endpoint {endpoint.name}"
        try:
            answer = await self._balancer.execute(endpoint, body)
        except RunpodConnectionError as error:
            if not error.reached:
                raise
            raise OutcomeUnknownError(
                f"{what}: the connection was lost before an answer came, and the function may "
                f"have run, or may run now: {error}. It was not sent again; call again if running "
                "twice does no harm",
                endpoint_id=endpoint.id,
            ) from error
        except RunpodApiError as error:
            refused = _refusal(what, endpoint, error)
            if refused is None:
                raise
            raise refused from error
        return _as_job(what, endpoint, answer)


def refuse_jobs(spec: FunctionSpec) -> None:
    """Raise ConfigurationError where a function cannot be a job of its own."""
    if spec.resource.routing == "LOAD_BALANCER":
        raise ConfigurationError(
            f"{spec.name} ({spec.location}): endpoint {spec.resource.name!r} is a load balancer, "
            "which keeps no jobs: await the function itself, or use a LiveServerless"
        )


def _refusal(what: str, endpoint: Endpoint, error: RunpodApiError) -> RemoteError | None:
    """What a refusal by the balancer means; None for one that is no answer about the call.

    Which status goes with what is not documented, beyond 502 for a worker that does not answer.
    Of those that are none, 404 and 429 say that no worker has seen the request: an answer of a
    worker, with any status, carries its id and is no refusal.
    """
    said = {"endpoint_id": endpoint.id}
    # Not somewhere in it: the text may quote the last output of a worker.
    if error.detail.startswith(_NO_WORKERS):
        hint = (
            ". Raise workersMax of the resource, allow more kinds of GPU or more data centers, or "
            "try again: a large image takes its time"
        )
        alone = error.detail.strip() == _NO_WORKERS
        return NoCapacityError(f"{what}: {error.detail}{hint if alone else ''}", **said)
    if error.status == 413:
        return PayloadTooLargeError(f"{what}: {error.detail}", **said)
    if error.status == 504:
        return JobTimedOutError(
            f"{what}: {error.detail}. Behind a load balancer a call may take 5.5 minutes, and no "
            "more than executionTimeoutMs of the resource",
            **said,
        )
    if error.status >= 500:
        return WorkerDiedError(
            f"{what} failed: {error.detail}. Its worker gave no answer; the function may have run",
            **said,
        )
    return None


def _as_job(what: str, endpoint: Endpoint, answer: BalancerResponse) -> JobStatus:
    if answer.status != 200:
        raise JobFailedError(
            f"{what} failed: its worker answered {answer.status}: {str(answer.content)[:200]!r}. "
            "The endpoint's image must be one of Flash's for load balancing",
            endpoint_id=endpoint.id,
            worker_id=answer.worker_id,
        )
    output: Any = answer.content
    failed = isinstance(output, dict) and output.get("success") is False
    return JobStatus(
        id="",
        state=JobState.FAILED if failed else JobState.COMPLETED,
        output=output,
        worker_id=answer.worker_id,
        frames=answer.frames,
    )
