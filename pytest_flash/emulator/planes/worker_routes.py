"""The worker plane: jobs handed out and results taken in, by the worker SDK's protocol."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from starlette.routing import Route

from ..processes.image_programs import SupplyError
from ..queue.jobs import ABSENT
from ..queue.stream_chunks import chunks
from ..scheduler.endpoints import with_queue
from ..server.http_errors import HttpError
from ..server.json_members import parse_members
from ..server.request_response import (
    encode,
    first_of,
    json_response,
    parameter,
    parse_object,
    raw_response,
    read_body,
)

if TYPE_CHECKING:
    from starlette.requests import Request

    from ..queue.jobs import QueuedJob
    from ..scheduler.endpoint import EmulatedEndpoint
    from ..scheduler.endpoints import EmulatedEndpoints
    from ..scheduler.queue_endpoint import QueueEndpoint
    from ..scheduler.worker import EmulatedWorker
    from ..startup.config import EmulatorTimings

_RESULT_LIMIT = 20_000_000
_BATCH_LIMIT = 100


class WorkerRoutes:
    """Handlers of ``/worker/v2/{endpoint}`` (runpod worker SDK 1.12.0)."""

    def __init__(self, endpoints: EmulatedEndpoints, timings: EmulatorTimings) -> None:
        self._endpoints = endpoints
        self._timings = timings

    def routes(self) -> list[Route]:
        """The routes of this plane, the busiest first."""
        base = "/worker/v2/{endpoint}"
        return [
            Route(base + "/job-exchange/{worker}/{job}", self.exchange, methods=["POST"]),
            Route(base + "/job-take/{worker}", self.take, methods=["GET"]),
            Route(base + "/job-done/{worker}/{job}", self.done, methods=["POST"]),
            Route(base + "/ping/{worker}", self.ping, methods=["GET"]),
            Route(base + "/job-stream/{worker}/{job}", self.stream, methods=["POST"]),
            Route(base + "/job-stop/{worker}", self.stop, methods=["GET"]),
            Route(base + "/job-take-batch/{worker}", self.take_batch, methods=["GET"]),
            Route(base + "/dependencies/{worker}", self.dependencies, methods=["POST"]),
        ]

    async def take(self, request: Request) -> Response:
        """``GET /job-take/{worker}``: one job, or 204 when none came for long."""
        endpoint, worker = self._with_queue(request)
        return _given(await self._take(request, endpoint, worker, 1))

    async def take_batch(self, request: Request) -> Response:
        """``GET /job-take-batch/{worker}``: a list of up to ``batch_size`` jobs, or 204."""
        endpoint, worker = self._with_queue(request)
        jobs = await self._take(request, endpoint, worker, _batch_size(request))
        if not jobs:
            return Response(status_code=204)
        return raw_response(b"[%b]" % b",".join(_job_document(job) for job in jobs))

    async def done(self, request: Request) -> Response:
        """``POST /job-done/{worker}/{job}``: a result, or with a ``status`` a progress update.

        A result for a job that has ended already is taken and ignored: a 4xx would make the
        worker complain, a 5xx repeat it.
        """
        endpoint, worker = self._with_queue(request)
        await self._accept(request, endpoint, worker)
        return json_response({})

    async def exchange(self, request: Request) -> Response:
        """``POST /job-exchange/{worker}/{job}``: job-done, answered as the next job-take.

        Not Runpod's: it saves our own workers a request for each job.
        """
        endpoint, worker = self._with_queue(request)
        await self._accept(request, endpoint, worker)
        if worker.is_stopping:  # as one that had waited longer is told
            return Response(status_code=204)
        return _given(await self._take(request, endpoint, worker, 1))

    async def _accept(
        self, request: Request, endpoint: QueueEndpoint, worker: EmulatedWorker
    ) -> None:
        job_id = request.path_params["job"]
        try:
            members = parse_members(await read_body(request, _RESULT_LIMIT))
        except HttpError as error:
            text = f"the worker's result was refused: {error.detail}"
            endpoint.result(worker, job_id, ABSENT, text, last=False)
            raise
        output = members["output"].text if "output" in members else ABSENT
        body = {name: member.value for name, member in members.items()}
        if body.get("status") == "IN_PROGRESS":
            endpoint.progress(worker, job_id, output)
        else:
            error_text = _error_text(body.get("error"))
            endpoint.result(worker, job_id, output, error_text, last=body.get("stopPod") is True)

    async def stream(self, request: Request) -> Response:
        """``POST /job-stream/{worker}/{job}``: one item of a job that streams."""
        endpoint, worker = self._with_queue(request)
        body = parse_object(await read_body(request, _RESULT_LIMIT))
        for chunk in chunks(body.get("output")):
            endpoint.partial(worker, request.path_params["job"], chunk)
        return json_response({})

    async def stop(self, request: Request) -> Response:
        """``GET /job-stop/{worker}``: the jobs to give up, or 204 when there were none for long."""
        _, worker = self._worker(request)
        worker.listen()
        worker.listeners += 1
        ordered = asyncio.ensure_future(worker.ordered.wait())
        try:
            present = await first_of(ordered, request, self._timings.take_hold)
        finally:
            worker.listeners -= 1
            ordered.cancel()
        orders = worker.take_orders() if present else []
        return json_response({"jobsToStop": orders}) if orders else Response(status_code=204)

    async def ping(self, request: Request) -> Response:
        """``GET /ping/{worker}``, also with the news that the worker is of no use."""
        endpoint, worker = self._worker(request)
        endpoint.pinged(worker)
        if parameter(request, "status") == "unhealthy":
            details = (parameter(request, name, "?") for name in ("check", "reason"))
            endpoint.unhealthy(worker, f"reported itself unhealthy: {': '.join(details)}")
        return json_response({})

    async def dependencies(self, request: Request) -> Response:
        """``POST /dependencies/{worker}``: where a job's dependencies can be imported from."""
        endpoint, _ = self._worker(request)
        body = parse_object(await read_body(request, _RESULT_LIMIT))
        wanted = body.get("dependencies")
        if not isinstance(wanted, list) or not all(isinstance(item, str) for item in wanted):
            raise HttpError(422, "dependencies must be a list of strings")
        try:
            supply = await endpoint.supply(wanted)
        except SupplyError as error:
            raise HttpError(422, str(error)) from error
        return json_response({"paths": list(supply.paths), "notes": supply.notes})

    async def _take(
        self, request: Request, endpoint: QueueEndpoint, worker: EmulatedWorker, limit: int
    ) -> list[QueuedJob]:
        busy = parameter(request, "job_in_progress") == "1"
        taker = endpoint.line_up(worker, limit=limit, busy=busy)
        received = False
        try:
            received = await first_of(taker.jobs, request, self._timings.take_hold)
        finally:
            endpoint.leave(taker, received=received)
        return taker.jobs.result() if received and not taker.jobs.cancelled() else []

    def _with_queue(self, request: Request) -> tuple[QueueEndpoint, EmulatedWorker]:
        endpoint, worker = self._worker(request)
        return with_queue(endpoint), worker

    def _worker(self, request: Request) -> tuple[EmulatedEndpoint, EmulatedWorker]:
        endpoint_id, worker_id = request.path_params["endpoint"], request.path_params["worker"]
        endpoint = self._endpoints.employing(endpoint_id, worker_id)
        worker = endpoint.worker(worker_id)
        if worker is None:
            raise HttpError(404, "no such worker, or it was ordered to end")
        return endpoint, worker


def _given(jobs: list[QueuedJob]) -> Response:
    return raw_response(_job_document(jobs[0])) if jobs else Response(status_code=204)


def _job_document(job: QueuedJob) -> bytes:
    rest = encode({"id": job.id, **job.extra})
    return b'{"input":%b,%b' % (job.input, rest.removeprefix(b"{"))


def _error_text(error: Any) -> str | None:
    """The text of a failure; None for none, as for every falsy value (rp_fastapi simulator)."""
    if not error:
        return None
    return error if isinstance(error, str) else json.dumps(error)


def _batch_size(request: Request) -> int:
    try:
        return max(1, min(int(parameter(request, "batch_size", "1")), _BATCH_LIMIT))
    except ValueError:
        raise HttpError(400, "batch_size must be a number") from None
