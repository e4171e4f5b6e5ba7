"""Calls of remote functions, from their arguments to their results."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from ...errors import (
    ConfigurationError,
    OutcomeUnknownError,
    PayloadTooLargeError,
    RunpodApiError,
    RunpodConnectionError,
    RunpodError,
)
from ...events import EventSink, ignore
from ...runpod import Endpoint, JobStatus, LoadBalancerClient, LogClient, Pace, QueueClient
from ...target import Target
from ..declaration.specs import FunctionSpec
from ..output.job_output import JobListener
from ..output.log_readers import JobLogs
from ..protocol import function_messages
from ..protocol.short_values import shown, shown_call
from ..shipping.payload import Constructor, Packed, Shipping
from ..shipping.prepared import Prepared
from . import load_balanced_calls
from .call_events import Arguments, Reports
from .handle import JobHandle, Through, directly
from .in_process import NO_LIMIT, InProcess
from .job_results import outcome_of
from .load_balanced_calls import BalancedCalls, refuse_jobs
from .long_waits import PATIENCE, LongWaits
from .running_job import Flight, Polling
from .submission import EndpointFor, until_cancelled, until_taken
from .transport import Balancer, JobQueue

# runsync names the job only with its answer, so a lost connection costs at most this long.
_WAIT = 10.0
# How long status polls may fail in a row before the caller is told.
_OUTAGE = 120.0
# Runpod docs, operation-reference: what a payload may be, in bytes.
_RUN_LIMIT, _RUNSYNC_LIMIT = 10_000_000, 20_000_000

# Larger arguments are not kept: reports are for people, and stay small.
_KEPT = 64_000


class RemoteCalls:
    """Calls remote functions through a queue client.

    ``endpoint_for`` gives the endpoint that a function runs on, creating it when needed; the
    second argument is an endpoint that turned out not to exist any more. ``outage`` is how many
    seconds status polls may fail in a row, and ``wait`` how many a submission waits for its job's
    end. With ``record_values`` events say what was passed and returned. ``shipping`` finds what a
    function needs. Functions of load-balancing endpoints are called through ``balancer``. With
    ``logs`` output is told while jobs run, and otherwise at their end; ``heard`` False leaves that
    to those who ask a job's handle for it. What a call waits for is reported after ``patience``
    seconds.

    A call that is cancelled cancels its job. Runpod names a job of runsync only with its answer,
    so during the first 10 s this is left to a task of the event loop: when the loop ends before
    the answer comes, the job runs on to its end, at the latest its endpoint's time limit.
    """

    def __init__(
        self,
        queue: JobQueue,
        endpoint_for: EndpointFor,
        *,
        outage: float = _OUTAGE,
        wait: float = _WAIT,
        on_event: EventSink = ignore,
        record_values: bool = False,
        shipping: Shipping | None = None,
        balancer: Balancer | None = None,
        logs: LogClient | None = None,
        heard: bool = True,
        patience: float = PATIENCE,
    ) -> None:
        self.queue = queue
        self._balanced = BalancedCalls(balancer, endpoint_for) if balancer else None
        self._endpoint_for = endpoint_for
        self._wait = wait
        self._polling = Polling(queue, outage)
        self._listeners = None if logs is None else JobLogs(logs, on_event)
        self._heard = heard
        self._waits = LongWaits(queue, on_event, patience)
        self._reports = Reports(on_event)
        self._record_values = record_values
        self.shipping = shipping or Shipping()
        self._prefixes: dict[Prepared, bytes] = {}
        self._latest: dict[FunctionSpec, bytes] = {}
        self._background: set[asyncio.Task[Any]] = set()

    @classmethod
    def connected(
        cls,
        target: Target,
        endpoint_for: EndpointFor,
        shipping: Shipping,
        *,
        on_event: EventSink = ignore,
        pace: Pace | None = None,
        shared_by: int = 1,
        wait: float = _WAIT,
        record_values: bool = False,
        heard: bool = True,
    ) -> RemoteCalls:
        """Calls on ``target``, over clients of its own; what reads logs keeps to ``pace``, and to
        its part of the quota that ``shared_by`` so many processes have."""
        return cls(
            QueueClient(target),
            endpoint_for,
            wait=wait,
            on_event=on_event,
            record_values=record_values,
            shipping=shipping,
            balancer=LoadBalancerClient(target),
            logs=LogClient(target, pace=pace, shared_by=shared_by),
            heard=heard,
        )

    @classmethod
    def in_process(
        cls,
        here: InProcess,
        shipping: Shipping,
        *,
        on_event: EventSink = ignore,
        record_values: bool = False,
    ) -> RemoteCalls:
        """Calls that ``here`` runs in this process."""
        return cls(
            here,
            here.endpoint_for,
            on_event=on_event,
            record_values=record_values,
            shipping=shipping,
            balancer=here,
            patience=NO_LIMIT,
        )

    async def call(
        self, spec: FunctionSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Run ``spec`` on its endpoint and return its result.

        Raises what the function raised, with the attributes of RemoteError; RemoteError for a job
        that gave no result; CannotTravelError before anything is sent; RunpodError when Runpod
        cannot be reached or refuses; ProvisioningError when there is no endpoint.
        """
        __tracebackhide__ = True
        return await self._call(spec, self._arguments(spec, args, kwargs))

    async def repeat(self, spec: FunctionSpec, kept: bytes, shown: str | None) -> Any:
        """Run ``spec``, as it is now, with the arguments of an earlier call.

        ``kept`` and ``shown`` are those of its JobStarted. Raises as ``call``.
        """
        return await self._call(spec, self._sent(spec, pickle.loads(kept), shown))

    async def spawn(
        self,
        spec: FunctionSpec,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        through: Through = directly,
    ) -> JobHandle[Any]:
        """Submit a job for ``spec`` and return as soon as Runpod has named it.

        ``through`` is that of its handle. Raises as ``call`` does before the job runs.
        """
        refuse_jobs(spec)
        arguments = self._arguments(spec, args, kwargs)
        return JobHandle(await self._begin(spec, arguments, self._run, _RUN_LIMIT), through)

    def close(self) -> None:
        """Read no logs any more. Calls that are under way go on, and others may follow."""
        if self._listeners is not None:
            self._listeners.close()

    def construct(
        self, spec: FunctionSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Constructor:
        """The arguments of a remote class, to be passed first to its methods."""
        return self.shipping.construct(spec, args, kwargs)

    def _arguments(
        self, spec: FunctionSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Arguments:
        packed = self.shipping.pack(spec, args, kwargs)
        shown = args[1:] if spec.method else args
        text = shown_call(shown, kwargs) if self._record_values else None
        return self._sent(spec, packed, text)

    def _sent(self, spec: FunctionSpec, packed: Packed, shown: str | None) -> Arguments:
        prepared, payload = self.shipping.send(spec, packed)
        self._latest[spec] = self._prefix_of(spec, prepared)
        kept = None if shown is None or len(packed.data) > _KEPT else pickle.dumps(packed)
        # Behind a load balancer no job and no worker is known before the answer.
        aloud = self._listeners is not None and spec.resource.routing == "QUEUE"
        secret = function_messages.Secret.new()
        sent = function_messages.request_arguments(payload, secret, aloud)
        return Arguments(sent, secret.signer, aloud, shown, kept)

    async def _call(self, spec: FunctionSpec, arguments: Arguments) -> Any:
        __tracebackhide__ = True
        if spec.resource.routing == "LOAD_BALANCER":
            return await self._execute(spec, arguments)
        flight = await self._begin(spec, arguments, self._runsync, _RUNSYNC_LIMIT)
        return await flight.result()

    async def _execute(self, spec: FunctionSpec, arguments: Arguments) -> Any:
        """As ``_call``, behind a load balancer."""
        __tracebackhide__ = True
        if self._balanced is None:
            raise ConfigurationError(f"{spec.name} ({spec.location}): no load balancer is set up")
        body = function_messages.bare_request(self._prefix(spec), arguments.sent)
        _check_size(spec, len(body), load_balanced_calls.LIMIT)
        endpoint = await self._endpoint_for(spec, None)
        report = self._reports.start(spec, endpoint, arguments)
        report.at_end = self._waits.begin(spec, endpoint)
        try:
            endpoint, job = await self._balanced.execute(spec, endpoint, body)
        except BaseException as error:
            report.broken(error)
            raise
        outcome = outcome_of(spec, endpoint, job, arguments.signer)
        recorded = self._record_values and outcome.error is None
        report.output(job.id, job.worker_id, outcome.output.text)
        report.ended(job, outcome, shown(outcome.value) if recorded else None)
        return outcome.get()

    async def _begin(
        self,
        spec: FunctionSpec,
        arguments: Arguments,
        submit: Callable[[Endpoint, bytes], Awaitable[JobStatus]],
        limit: int,
    ) -> Flight:
        """Submit a job, named with its answer."""
        body = function_messages.job_request(self._prefix(spec), arguments.sent)
        _check_size(spec, len(body), limit)
        endpoint = await self._endpoint_for(spec, None)
        report = self._reports.start(spec, endpoint, arguments)
        report.at_end = self._waits.begin(spec, endpoint)
        listeners = self._listeners if arguments.aloud else None
        listening = JobListener(listeners, endpoint.id, arguments.signer, report.heard)
        if self._heard:
            listening.begin()
        try:
            endpoint, job = await self._submit(spec, endpoint, body, submit)
        except BaseException as error:
            listening.stop()
            report.broken(error)
            raise
        report.named(job)
        return Flight(spec, endpoint, job, report, self._polling, listening, self._record_values)

    def _prefix(self, spec: FunctionSpec) -> bytes:
        if spec not in self._latest:
            self._latest[spec] = self._prefix_of(spec, self.shipping.prepare(spec))
        return self._latest[spec]

    def _prefix_of(self, spec: FunctionSpec, prepared: Prepared) -> bytes:
        if prepared not in self._prefixes:
            self._prefixes[prepared] = function_messages.request_prefix(spec, prepared)
        return self._prefixes[prepared]

    async def _submit(
        self,
        spec: FunctionSpec,
        endpoint: Endpoint,
        body: bytes,
        submit: Callable[[Endpoint, bytes], Awaitable[JobStatus]],
    ) -> tuple[Endpoint, JobStatus]:
        async def send(endpoint: Endpoint) -> JobStatus:
            try:
                return await submit(endpoint, body)
            except RunpodConnectionError as error:
                if not error.reached:
                    raise
                raise _unknown(spec, endpoint, error) from error
            except RunpodApiError as error:
                if error.status < 500:
                    raise
                raise _unknown(spec, endpoint, error) from error

        return await until_taken(spec, endpoint, send, self._endpoint_for)

    async def _runsync(self, endpoint: Endpoint, body: bytes) -> JobStatus:
        return await self._named(endpoint, self.queue.runsync(endpoint.id, body, wait=self._wait))

    async def _run(self, endpoint: Endpoint, body: bytes) -> JobStatus:
        return await self._named(endpoint, self.queue.run(endpoint.id, body))

    async def _named(
        self, endpoint: Endpoint, submitting: Coroutine[Any, Any, JobStatus]
    ) -> JobStatus:
        """Submit, and cancel the job once its name is known if the caller is cancelled."""
        request = asyncio.ensure_future(submitting)
        try:
            return await asyncio.shield(request)
        except asyncio.CancelledError:
            task = asyncio.ensure_future(self._abandon(endpoint, request))
            self._background.add(task)
            task.add_done_callback(self._background.discard)
            raise

    async def _abandon(self, endpoint: Endpoint, request: asyncio.Future[JobStatus]) -> None:
        # Where the job was not taken, or is unknown, nobody is left to tell; where it cannot be
        # cancelled, its time limit ends it.
        with contextlib.suppress(RunpodError):
            job = await request
            if not job.state.is_terminal:
                await until_cancelled(lambda: self.queue.cancel(endpoint.id, job.id))


def _check_size(spec: FunctionSpec, size: int, limit: int) -> None:
    if size > limit:
        raise PayloadTooLargeError(
            f"{spec.name} ({spec.location}): the call is {size / 1e6:.1f} MB as sent, "
            f"arguments and source, and Runpod takes {limit / 1e6:.0f} MB"
            f"{' with spawn and map, 20 MB otherwise' if limit == _RUN_LIMIT else ''}; pass a URL "
            "or a path on a network volume instead"
        )


def _unknown(spec: FunctionSpec, endpoint: Endpoint, error: RunpodError) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        f"{spec.name} ({spec.location}) on endpoint {endpoint.name}: Runpod's answer was lost "
        f"before it named the job, which may have run, or may run now: {error}. It was not sent "
        "again; call again if running twice does no harm",
        endpoint_id=endpoint.id,
    )
