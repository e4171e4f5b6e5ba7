"""Carries calls to this process: a queue and a load balancer whose one worker is here.

For debuggers: the function itself runs, in its own file, where breakpoints are set. Arguments,
results and errors are packed as for a worker, so that they are copies here too.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import inspect
import itertools
import json
import pickle
import threading
import traceback
import types
from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any

from ...clock import monotonic
from ...errors import NotFoundError
from ...process.loop_thread import LoopThread, Submitted
from ...runpod import BalancerResponse, Endpoint, JobState, JobStatus
from ..declaration.specs import FunctionSpec
from ..onworker import error_description
from ..onworker.entry_point import ANSWER, CallTarget, dumps
from ..onworker.signing import Signer
from ..protocol.unpickling import unpack
from ..shipping.needed_source import RESULT_LIMITS

NO_LIMIT = 7 * 24 * 3600.0
"""Seconds, where an interface wants a number: no deadline ends what is being debugged."""
_NO_OUTPUT = ("", "", 0)


def here_alone(resource: str, number: int = 0) -> Endpoint:
    """What stands for the endpoint of ``resource``: this process."""
    name = f"{resource} (in this process)"
    return Endpoint(id=f"in-process-{number}", name=name, timeout=int(NO_LIMIT * 1000))


@dataclass
class _Job:
    id: str
    begun: float
    done: Future[JobStatus] = field(default_factory=Future)
    work: Submitted[Any] | None = None

    @property
    def status(self) -> JobStatus:
        if self.done.done():
            return self.done.result()
        return JobStatus(self.id, JobState.IN_PROGRESS, delay_time=0)

    def end(self, state: JobState, **known: Any) -> None:
        """It is over, unless it was before."""
        took = int((monotonic() - self.begun) * 1000)
        status = JobStatus(self.id, state, delay_time=0, execution_time=took, **known)
        with contextlib.suppress(InvalidStateError):
            self.done.set_result(status)


class InProcess:
    """Runs functions in this process; a ``JobQueue`` and a ``Balancer``. Thread-safe.

    Asynchronous functions share an event loop of their own thread, synchronous ones have a thread
    each. Nothing is limited in time. A synchronous function that is cancelled runs on to its end.
    """

    status_rate = 500.0

    def __init__(self) -> None:
        self._loop = LoopThread("flash-in-process")
        self._lock = threading.Lock()
        self._specs: dict[str, FunctionSpec] = {}
        self._endpoints: dict[FunctionSpec, Endpoint] = {}
        self._numbers = itertools.count(1)
        self._jobs: dict[str, _Job] = {}
        self._instances: dict[Any, Any] = {}

    async def endpoint_for(self, spec: FunctionSpec, _: Endpoint | None = None) -> Endpoint:
        """The endpoint of ``spec``, which has no other function: by its id the function is found.

        None of them is ever gone.
        """
        with self._lock:
            if spec not in self._endpoints:
                made = here_alone(spec.resource.name, next(self._numbers))
                self._specs[made.id], self._endpoints[spec] = spec, made
            return self._endpoints[spec]

    async def runsync(self, endpoint_id: str, payload: bytes, *, wait: float) -> JobStatus:
        """As ``JobQueue.runsync``."""
        job = self._begin(endpoint_id, json.loads(payload)["input"])
        waiting = asyncio.wrap_future(job.done)
        await asyncio.wait({waiting}, timeout=wait)
        return job.status

    async def run(self, endpoint_id: str, payload: bytes) -> JobStatus:
        """As ``JobQueue.run``."""
        return self._begin(endpoint_id, json.loads(payload)["input"]).status

    async def status(self, endpoint_id: str, job_id: str) -> JobStatus:  # noqa: ARG002 - as the protocol has it
        """As ``JobQueue.status``."""
        return self._job(job_id).status

    async def cancel(self, endpoint_id: str, job_id: str) -> JobStatus:  # noqa: ARG002 - as the protocol has it
        """As ``JobQueue.cancel``."""
        job = self._job(job_id)
        job.end(JobState.CANCELLED)
        if job.work is not None:
            job.work.cancel()
        return job.status

    async def health(self, endpoint_id: str) -> Mapping[str, Any]:  # noqa: ARG002 - as the protocol has it
        """As ``JobQueue.health``: nothing ever waits here."""
        return {"jobs": {}, "workers": {}}

    async def execute(self, endpoint: Endpoint, payload: bytes) -> BalancerResponse:
        """As ``Balancer.execute``."""
        job = self._begin(endpoint.id, json.loads(payload))
        try:
            status = await asyncio.shield(asyncio.wrap_future(job.done))
        except asyncio.CancelledError:
            await self.cancel(endpoint.id, job.id)
            raise
        return BalancerResponse(200, None, status.output, status.frames)

    async def aclose(self) -> None:
        """There are no connections."""

    def close(self) -> None:
        """End what runs, but for synchronous functions, whose threads end with the process."""
        self._loop.stop()

    def _job(self, job_id: str) -> _Job:
        try:
            return self._jobs[job_id]
        except KeyError:
            raise NotFoundError(404, "Not Found", "there is no such job", "GET", job_id) from None

    def _begin(self, endpoint_id: str, request: Mapping[str, Any]) -> _Job:
        header, data, secret = (
            pickle.loads(base64.b64decode(each)) for each in request["args"][:3]
        )
        job = _Job(f"in-process-job-{next(self._numbers)}", monotonic())
        self._jobs[job.id] = job
        spec, signer = self._specs[endpoint_id], Signer.taking(secret)
        call = functools.partial(self._called, spec, header, data)
        if inspect.iscoroutinefunction(inspect.unwrap(spec.function)):
            job.work = self._loop.submit(_awaited(job, spec, signer, call))
        else:
            work = functools.partial(_run, job, spec, signer, call)
            threading.Thread(target=work, name=f"flash {spec.name}", daemon=True).start()
        return job

    def _called(self, spec: FunctionSpec, header: bytes, data: bytes) -> Any:
        *_, args, kwargs = unpack(data)  # A function that is carried comes first.
        function: Callable[..., Any] = spec.function
        if spec.method:
            _, init = pickle.loads(header)
            function = getattr(self._instance(spec, *init), spec.method)
        return function(*args, **kwargs)

    def _instance(self, spec: FunctionSpec, init: bytes, digest: bytes) -> Any:
        key = (spec.owner, digest)
        with self._lock:
            if key not in self._instances:
                args, kwargs = unpack(init)[-2:]
                assert spec.owner is not None
                self._instances[key] = spec.owner(*args, **kwargs)
            return self._instances[key]


def _run(job: _Job, spec: FunctionSpec, signer: Signer, call: Callable[[], Any]) -> None:
    try:
        result = call()
        data = dumps(result, _target(spec))
    except BaseException as error:  # noqa: BLE001 - what it was is told to the caller
        _fail(job, signer, error)
    else:
        _succeed(job, signer, data)


async def _awaited(job: _Job, spec: FunctionSpec, signer: Signer, call: Callable[[], Any]) -> None:
    try:
        data = dumps(await call(), _target(spec))
    except asyncio.CancelledError as error:
        if job.done.done():
            raise
        _fail(job, signer, error)
    except BaseException as error:  # noqa: BLE001 - what it was is told to the caller
        _fail(job, signer, error)
    else:
        _succeed(job, signer, data)


def _target(spec: FunctionSpec) -> CallTarget:
    return CallTarget("named", "", spec.name, "", RESULT_LIMITS[spec.resource.routing])


def _succeed(job: _Job, signer: Signer, data: bytes) -> None:
    answer = pickle.dumps((ANSWER, signer.sign(ANSWER), _NO_OUTPUT, data))
    result = base64.b64encode(answer).decode()
    job.end(JobState.COMPLETED, output={"success": True, "result": result, "stdout": ""})


def _fail(job: _Job, signer: Signer, error: BaseException) -> None:
    """Describe ``error`` as a worker does; its frames stay, so that debuggers can enter them."""
    frames = _behind_ours(error.__traceback__)
    error.with_traceback(frames)
    described = error_description.describe(error, _NO_OUTPUT)
    output = {
        "success": False,
        "error": "".join(traceback.format_exception_only(type(error), error)).strip(),
        "stdout": error_description.signed(described, signer),
    }
    job.end(JobState.FAILED, output=output, frames=frames)


def _behind_ours(trace: types.TracebackType | None) -> types.TracebackType | None:
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return trace
