"""One call of a remote function, from its arguments to its result."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import anyio

from ..errors import NotFoundError, RemoteError, RunpodApiError, RunpodConnectionError, RunpodError
from ..events import EventSink, ignore
from ..runpod import Endpoint, JobState, JobStatus, QueueClient
from . import protocol
from .failures import failure
from .registry import FunctionSpec
from .reports import Arguments, Reports
from .source import ship
from .values import shown, shown_call

# runsync names the job only with its answer, so a lost connection costs at most this long.
_WAIT = 10.0
_POLL_FIRST, _POLL_LAST = 0.05, 0.5
# How long status polls may fail in a row before the caller is told.
_OUTAGE = 120.0
# How long a caller that was cancelled is held back while its job is being cancelled.
_CANCELLING = 2.0
# Runpod docs, send-requests: the payload limit of runsync, 20 MB.
_PAYLOAD_LIMIT = 20_000_000


class RemoteCalls:
    """Calls remote functions through a queue client.

    ``endpoint_for`` gives the endpoint that a function runs on, creating it when needed; the
    second argument is an endpoint that turned out not to exist any more. ``outage`` is how many
    seconds status polls may fail in a row, and ``wait`` how many a submission waits for its job's
    end. With ``record_values`` events say what was passed and
    returned.

    A call that is cancelled cancels its job. Runpod names a job of runsync only with its answer,
    so during the first 10 s this is left to a task of the event loop: when the loop ends before
    the answer comes, the job runs on to its end, at the latest its endpoint's time limit.
    """

    def __init__(
        self,
        queue: QueueClient,
        endpoint_for: Callable[[FunctionSpec, Endpoint | None], Awaitable[Endpoint]],
        *,
        outage: float = _OUTAGE,
        wait: float = _WAIT,
        on_event: EventSink = ignore,
        record_values: bool = False,
    ) -> None:
        self._queue = queue
        self._endpoint_for = endpoint_for
        self._outage = outage
        self._wait = wait
        self._reports = Reports(on_event)
        self._record_values = record_values
        self._prefixes: dict[FunctionSpec, str] = {}
        self._background: set[asyncio.Task[Any]] = set()

    async def call(
        self, spec: FunctionSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Run ``spec`` on its endpoint and return its result.

        Raises RemoteError (and the built-in type that the function raised), RunpodError when
        Runpod cannot be reached or refuses, ProvisioningError when there is no endpoint.
        """
        text = shown_call(args, kwargs) if self._record_values else None
        return await self._call(spec, Arguments(protocol.request_arguments(args, kwargs), text))

    async def repeat(self, spec: FunctionSpec, arguments: Arguments) -> Any:
        """Run ``spec`` with the arguments of an earlier call, as its JobStarted gave them.

        Raises as ``call``.
        """
        return await self._call(spec, arguments)

    async def _call(self, spec: FunctionSpec, arguments: Arguments) -> Any:
        body = (self._prefix(spec) + arguments.sent).encode()
        if len(body) > _PAYLOAD_LIMIT:
            raise RemoteError(
                f"{spec.name} ({spec.location}): the call is {len(body) / 1e6:.1f} MB as sent, "
                "arguments and source, and Runpod takes 20 MB; pass a URL or a path on a network "
                "volume instead"
            )
        endpoint = await self._endpoint_for(spec, None)
        report = self._reports.start(spec, endpoint, arguments)
        try:
            endpoint, job = await self._submit(spec, endpoint, body)
            report.named(job)
            job = await self._finish(spec, endpoint, job)
        except BaseException as error:
            report.broken(error)
            raise
        try:
            result = self._result(spec, endpoint, job)
        except RemoteError:
            report.ended(job, None)
            raise
        report.ended(job, shown(result) if self._record_values else None)
        return result

    def _prefix(self, spec: FunctionSpec) -> str:
        prefix = self._prefixes.get(spec)
        if prefix is None:
            prefix = self._prefixes[spec] = protocol.request_prefix(spec, ship(spec))
        return prefix

    async def _submit(
        self, spec: FunctionSpec, endpoint: Endpoint, body: bytes
    ) -> tuple[Endpoint, JobStatus]:
        try:
            return endpoint, await self._runsync(endpoint, body)
        except NotFoundError:
            # The endpoint was deleted behind our back, so the job was never taken.
            endpoint = await self._endpoint_for(spec, endpoint)
            return endpoint, await self._runsync(endpoint, body)

    async def _runsync(self, endpoint: Endpoint, body: bytes) -> JobStatus:
        """Submit, and cancel the job once its name is known if the caller is cancelled."""
        request = asyncio.ensure_future(self._queue.runsync(endpoint.id, body, wait=self._wait))
        try:
            return await asyncio.shield(request)
        except asyncio.CancelledError:
            self._keep(self._abandon(endpoint, request))
            raise

    async def _abandon(self, endpoint: Endpoint, request: asyncio.Future[JobStatus]) -> None:
        try:
            job = await request
        except RunpodError:
            return  # The job was not taken, or is unknown: nobody is left to tell.
        if not job.state.is_terminal:
            await self._cancel(endpoint, job)

    async def _cancel(self, endpoint: Endpoint, job: JobStatus) -> None:
        # Nobody waits for this job any more: where it cannot be cancelled, its time limit ends it.
        with contextlib.suppress(RunpodError):
            await self._queue.cancel(endpoint.id, job.id)

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def _insist(self, work: Coroutine[Any, Any, None], seconds: float) -> None:
        """Wait up to ``seconds`` for ``work``, however often the caller is cancelled."""
        task = self._keep(work)
        deadline = time.monotonic() + seconds
        with anyio.CancelScope(shield=True):
            while not task.done() and (left := deadline - time.monotonic()) > 0:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait({task}, timeout=left)

    async def _finish(self, spec: FunctionSpec, endpoint: Endpoint, job: JobStatus) -> JobStatus:
        """Poll until ``job`` is terminal; the server ends it at its own time limits."""
        interval, answered = _POLL_FIRST, time.monotonic()
        try:
            while not job.state.is_terminal:
                await anyio.sleep(interval)
                interval = min(interval * 1.5, _POLL_LAST)
                try:
                    job = await self._queue.status(endpoint.id, job.id)
                    answered = time.monotonic()
                except NotFoundError as error:
                    raise RemoteError(
                        f"{spec.name} ({spec.location}): job {job.id} is unknown to endpoint "
                        f"{endpoint.name}: it expired, or the endpoint was deleted",
                        job_id=job.id,
                        endpoint_id=endpoint.id,
                    ) from error
                except (RunpodApiError, RunpodConnectionError) as error:
                    if not _passes(error) or time.monotonic() - answered > self._outage:
                        raise
        except asyncio.CancelledError:
            # Awaited, since a loop that is being torn down runs no task that begins now.
            await self._insist(self._cancel(endpoint, job), _CANCELLING)
            raise
        return job

    def _result(self, spec: FunctionSpec, endpoint: Endpoint, job: JobStatus) -> Any:
        response = protocol.read_response(job.output)
        if job.state is not JobState.COMPLETED or (response and not response.success):
            raise failure(spec, endpoint, job, response)
        if response is None:
            raise RemoteError(
                f"{spec.name} ({spec.location}) on endpoint {endpoint.name}: the answer of job "
                f"{job.id} is no FunctionResponse: {str(job.output)[:200]!r}. The endpoint's image "
                "must be a Flash worker image",
                job_id=job.id,
                endpoint_id=endpoint.id,
                worker_id=job.worker_id,
            )
        try:
            return protocol.decode(response.result)
        except Exception as error:  # Unpickling runs code of any class: it may raise anything.
            raise RemoteError(
                f"{spec.name} ({spec.location}) returned a value that cannot be read here: "
                f"{type(error).__name__}: {error}. Return plain data, or types of packages that "
                "are installed here too",
                job_id=job.id,
                endpoint_id=endpoint.id,
                worker_id=job.worker_id,
                stdout=response.stdout,
            ) from error


def _passes(error: Exception) -> bool:
    """Whether a poll that failed so may succeed later: outages, 429 and 5xx."""
    if isinstance(error, RunpodApiError):
        return error.status == 429 or error.status >= 500
    return True
