"""The queue plane: jobs submitted and followed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.routing import Route

from ..faults.fault_types import OPERATIONS
from ..faults.request_faults import scope_of
from ..queue.jobs import JobCounts
from ..queue.rate_limits import LIMITS
from ..queue.submissions import TTL, Submission, milliseconds_text
from ..scheduler.endpoints import with_queue
from ..server.http_errors import HttpError
from ..server.request_response import json_response, parameter, raw_response, read_body

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from ..account.endpoint_views import WorkerView
    from ..queue.jobs import QueuedJob
    from ..queue.rate_limits import RateLimits
    from ..queue.webhooks import WebhookRule
    from ..scheduler.endpoints import EmulatedEndpoints
    from ..scheduler.queue_endpoint import QueueEndpoint

# Runpod docs, operation-reference and send-requests; times in milliseconds.
_RUN_LIMIT = 10_000_000
_RUNSYNC_LIMIT = 20_000_000
_WAIT_DEFAULT = "90000"
_WAIT = (1_000, 300_000)

Handler = Callable[["Request"], Awaitable["Response"]]


class Queue:
    """Handlers of ``/queue/v2/{endpoint}``. Without ``limits`` any number of requests is served."""

    def __init__(
        self, endpoints: EmulatedEndpoints, webhooks: WebhookRule, limits: RateLimits | None = None
    ) -> None:
        self._endpoints = endpoints
        self._webhooks = webhooks
        self._limits = limits

    def routes(self) -> list[Route]:
        """The routes of this plane, the busiest first."""
        get, post = ["GET"], ["POST"]
        return [
            self._route("runsync", self.runsync, post),
            self._route("run", self.run, post),
            self._route("status", self.status, get + post, "/{job}"),
            self._route("stream", self.stream, get + post, "/{job}"),
            self._route("cancel", self.cancel, post, "/{job}"),
            self._route("retry", self.retry, post, "/{job}"),
            self._route("purge-queue", self.purge, post),
            self._route("health", self.health, get),
            self._route("requests", self.requests, get),
            self._route("metrics", self.metrics, get),
        ]

    async def run(self, request: Request) -> Response:
        """``POST /run``: the job's id, at once."""
        body = await read_body(request, _RUN_LIMIT)
        _, job = self._submit(request, body, sync=False)
        return json_response({"id": job.id, "status": "IN_QUEUE"})

    async def runsync(self, request: Request) -> Response:
        """``POST /runsync``: the job when it has ended, or as it is after ``wait``."""
        wait = milliseconds_text(parameter(request, "wait", _WAIT_DEFAULT), "wait", _WAIT)
        body = await read_body(request, _RUNSYNC_LIMIT)
        endpoint, job = self._submit(request, body, sync=True)
        await endpoint.wait(job, wait / 1000)
        return raw_response(job.document())

    async def status(self, request: Request) -> Response:
        """``GET /status/{job}``; ``ttl`` gives the job so many milliseconds more."""
        endpoint = self._endpoint(request)
        job = _job(endpoint, request)
        ttl = request.query_params.get("ttl")
        if ttl is not None:
            endpoint.extend(job, milliseconds_text(ttl, "ttl", TTL) / 1000)
        return raw_response(job.document())

    async def stream(self, request: Request) -> Response:
        """``GET /stream/{job}``: what the job has streamed since the last call."""
        endpoint = self._endpoint(request)
        job = _job(endpoint, request)
        items = [{"output": item} for item in endpoint.drain_partials(job)]
        return json_response({"id": job.id, "status": job.state.value, "stream": items})

    async def cancel(self, request: Request) -> Response:
        """``POST /cancel/{job}``; a job that has ended stays as it is."""
        endpoint = self._endpoint(request)
        job = _job(endpoint, request)
        endpoint.cancel(job)
        return json_response({"id": job.id, "status": job.state.value})

    async def retry(self, request: Request) -> Response:
        """``POST /retry/{job}``."""
        endpoint = self._endpoint(request)
        job = _job(endpoint, request)
        if not endpoint.retry(job):
            raise HttpError(
                400, f"only a FAILED or TIMED_OUT job can be retried, not a {job.state.value} one"
            )
        return json_response({"id": job.id, "status": "IN_QUEUE"})

    async def purge(self, request: Request) -> Response:
        """``POST /purge-queue``."""
        endpoint = self._endpoint(request)
        removed = sum(part.purge() for part in self._endpoints.queues(endpoint.record.id))
        return json_response({"removed": removed, "status": "completed"})

    async def health(self, request: Request) -> Response:
        """``GET /health``; every counter, since strict clients require them all.

        A load-balancing endpoint has no jobs, and counts none: the official SDK 1.1.1 asks for its
        health before each call, and makes another endpoint where that fails.
        """
        endpoint_id = request.path_params["endpoint"]
        balanced = self._endpoints.get(endpoint_id).record.type == "LOAD_BALANCER"
        counts = JobCounts() if balanced else self._endpoints.counts(endpoint_id)
        return json_response(
            {
                "jobs": {
                    "completed": counts.completed,
                    "failed": counts.failed + counts.timed_out,
                    "inProgress": counts.in_progress,
                    "inQueue": counts.in_queue,
                    "retried": counts.retried,
                },
                "workers": _worker_counts(self._endpoints.workers(endpoint_id)),
            }
        )

    async def requests(self, request: Request) -> Response:
        """``GET /requests``: every job that can be asked for, the newest first."""
        parts = self._endpoints.queues(request.path_params["endpoint"])
        jobs = sorted((job for part in parts for job in part.jobs()), key=_submission_time)
        documents = [job.document() for job in reversed(jobs)]
        return raw_response(b'{"requests":[%b]}' % b",".join(documents))

    async def metrics(self, request: Request) -> Response:
        """``GET /metrics``: the workers, as the Flash SDK reads them (1.19, request_logs)."""
        workers = self._endpoints.workers(self._endpoint(request).record.id)
        ready = [worker.id for worker in workers if worker.status in ("IDLE", "RUNNING")]
        return json_response({"readyWorkers": ready, "workers": _worker_counts(workers)})

    def _route(self, operation: str, handler: Handler, methods: list[str], tail: str = "") -> Route:
        assert operation in OPERATIONS  # or no fault could name it
        limits = self._limits
        if limits is None or operation not in LIMITS:
            serve = handler
        else:

            async def serve(request: Request) -> Response:
                with limits.admitted(request.path_params["endpoint"], operation):
                    return await handler(request)

        route = Route(f"/queue/v2/{{endpoint}}/{operation}{tail}", serve, methods=methods)
        if operation == "stream":
            # HEAD changes nothing (RFC 9110, 9.2.1): it would take items that nobody gets to see.
            route.methods = set(methods)
        return route

    def _endpoint(self, request: Request) -> QueueEndpoint:
        endpoint_id, job_id = request.path_params["endpoint"], request.path_params.get("job")
        if job_id is not None:
            return self._endpoints.holding(endpoint_id, job_id)
        return with_queue(self._endpoints.get(endpoint_id))

    def _submit(
        self, request: Request, body: bytes, *, sync: bool
    ) -> tuple[QueueEndpoint, QueuedJob]:
        scope = scope_of(request.scope)
        endpoint = with_queue(self._endpoints.submitting(request.path_params["endpoint"], scope))
        submission = Submission.parse(body, endpoint.record, self._webhooks)
        return endpoint, endpoint.submit(submission, sync=sync, scope=scope)


def _job(endpoint: QueueEndpoint, request: Request) -> QueuedJob:
    job_id = request.path_params["job"]
    job = endpoint.job(job_id)
    if job is None:
        raise HttpError(404, f"job {job_id!r} not found: it never was, or it has expired")
    return job


def _submission_time(job: QueuedJob) -> float:
    return job.submitted_at


def _worker_counts(workers: list[WorkerView]) -> dict[str, int]:
    statuses = [worker.status for worker in workers]
    return {
        "idle": statuses.count("IDLE"),
        "initializing": statuses.count("INITIALIZING"),
        "ready": statuses.count("IDLE"),
        "running": statuses.count("RUNNING"),
        "throttled": statuses.count("THROTTLED"),
        "unhealthy": statuses.count("UNHEALTHY"),
    }
