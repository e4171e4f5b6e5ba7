"""The queue plane: jobs submitted and followed."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from .errors import HttpError
from .http import json_response, parse_object, read_body
from .jobs import Policy

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from .endpoint import Endpoint
    from .endpoints import Endpoints
    from .jobs import Job

# Runpod docs, operation-reference and send-requests; times in milliseconds.
_RUN_LIMIT = 10_000_000
_RUNSYNC_LIMIT = 20_000_000
_WAIT_DEFAULT = 90_000
_WAIT = (1_000, 300_000)
_WEEK = 7 * 24 * 3_600_000
_EXECUTION_TIMEOUT = (5_000, _WEEK)
_TTL_DEFAULT = 24 * 3_600_000
_TTL = (10_000, _WEEK)
_DIGITS = 20


class Queue:
    """Handlers of ``/queue/v2/{endpoint}``."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    def routes(self) -> list[Route]:
        """The routes of this plane, the busiest first."""
        base = "/queue/v2/{endpoint}"
        either = ["GET", "POST"]
        return [
            Route(base + "/runsync", self.runsync, methods=["POST"]),
            Route(base + "/run", self.run, methods=["POST"]),
            Route(base + "/status/{job}", self.status, methods=either),
            Route(base + "/stream/{job}", self.stream, methods=either),
            Route(base + "/cancel/{job}", self.cancel, methods=["POST"]),
            Route(base + "/retry/{job}", self.retry, methods=["POST"]),
            Route(base + "/purge-queue", self.purge, methods=["POST"]),
            Route(base + "/health", self.health, methods=["GET"]),
        ]

    async def run(self, request: Request) -> Response:
        """``POST /run``: the job's id, at once."""
        endpoint = self._endpoint(request)
        job = _submit(endpoint, await read_body(request, _RUN_LIMIT), sync=False)
        return json_response({"id": job.id, "status": "IN_QUEUE"})

    async def runsync(self, request: Request) -> Response:
        """``POST /runsync``: the job when it has ended, or as it is after ``wait``."""
        endpoint = self._endpoint(request)
        wait = _whole_text(request.query_params.get("wait", str(_WAIT_DEFAULT)), "wait", _WAIT)
        job = _submit(endpoint, await read_body(request, _RUNSYNC_LIMIT), sync=True)
        await endpoint.wait(job, wait / 1000)
        return json_response(job.document())

    async def status(self, request: Request) -> Response:
        """``GET /status/{job}``; ``ttl`` gives the job so many milliseconds more."""
        endpoint = self._endpoint(request)
        job = _job(endpoint, request)
        ttl = request.query_params.get("ttl")
        if ttl is not None:
            endpoint.extend(job, _whole_text(ttl, "ttl", _TTL) / 1000)
        return json_response(job.document())

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
        removed = self._endpoint(request).purge()
        return json_response({"removed": removed, "status": "completed"})

    async def health(self, request: Request) -> Response:
        """``GET /health``; every counter, since strict clients require them all."""
        endpoint = self._endpoint(request)
        counts = endpoint.counts()
        statuses = [worker.status for worker in endpoint.workers()]
        return json_response(
            {
                "jobs": {
                    "completed": counts.completed,
                    "failed": counts.failed + counts.timed_out,
                    "inProgress": counts.in_progress,
                    "inQueue": counts.in_queue,
                    "retried": counts.retried,
                },
                "workers": {
                    "idle": statuses.count("IDLE"),
                    "initializing": statuses.count("INITIALIZING"),
                    "ready": statuses.count("IDLE"),
                    "running": statuses.count("RUNNING"),
                    "throttled": 0,
                    "unhealthy": statuses.count("UNHEALTHY"),
                },
            }
        )

    def _endpoint(self, request: Request) -> Endpoint:
        endpoint = self._endpoints.get(request.path_params["endpoint"])
        if endpoint.record.type != "QUEUE":
            raise HttpError(400, "a LOAD_BALANCER endpoint has no queue")
        return endpoint


def _job(endpoint: Endpoint, request: Request) -> Job:
    job_id = request.path_params["job"]
    job = endpoint.job(job_id)
    if job is None:
        raise HttpError(404, f"job {job_id!r} not found: it never was, or it has expired")
    return job


def _submit(endpoint: Endpoint, body: bytes, *, sync: bool) -> Job:
    document = parse_object(body)
    content = document.get("input")
    if content is None:
        raise HttpError(400, "the request body has no 'input'")
    if content == {}:
        raise HttpError(
            400,
            "'input' is empty: Runpod drops an empty object, and its workers then refuse the job; "
            'send something, such as {"__empty": true}',
        )
    if document.get("webhook") is not None:
        raise HttpError(400, "the emulator delivers no webhooks; leave out 'webhook'")
    extra = {"s3Config": document["s3Config"]} if "s3Config" in document else {}
    return endpoint.submit(content, _policy(endpoint, document.get("policy")), extra, sync=sync)


def _policy(endpoint: Endpoint, policy: Any) -> Policy:
    """The limits of a job: its own, else its endpoint's, else Runpod's defaults."""
    if policy is None:
        policy = {}
    if not isinstance(policy, Mapping):
        raise HttpError(400, "'policy' must be an object")
    # No job lives for longer than a week, whatever its endpoint would allow.
    timeout, ttl = min(endpoint.record.timeout, _WEEK), _TTL_DEFAULT
    if policy.get("executionTimeout") is not None:
        timeout = _whole(policy["executionTimeout"], "policy.executionTimeout", _EXECUTION_TIMEOUT)
    if policy.get("ttl") is not None:
        ttl = _whole(policy["ttl"], "policy.ttl", _TTL)
    return Policy(timeout / 1000, ttl / 1000, low_priority=policy.get("lowPriority") is True)


def _whole(value: Any, name: str, limits: tuple[int, int]) -> int:
    """A number of milliseconds within ``limits``. Raises HttpError 400 for anything else."""
    low, high = limits
    if type(value) is int and low <= value <= high:  # a bool is an int, but no number
        return value
    shown = reprlib.repr(value)
    raise HttpError(400, f"{name} must be a whole number from {low} to {high} (ms), not {shown}")


def _whole_text(text: str, name: str, limits: tuple[int, int]) -> int:
    """``_whole`` for the text of a query parameter."""
    # Longer ones are out of range, and Python refuses to read very long ones.
    digits = text.isascii() and text.isdecimal() and len(text) <= _DIGITS
    return _whole(int(text) if digits else text, name, limits)
