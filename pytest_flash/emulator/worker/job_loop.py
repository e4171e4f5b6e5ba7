"""The job loop: take, run, report."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from .dependencies import Dependencies, DependencyRefusedError
from .function_protocol import FunctionRequest, FunctionResponse, RequestError
from .heartbeat import Heartbeat
from .platform_client import PlaneError, TakenJob, WorkerPlane
from .process.broken_worker import BrokenWorkerError, broken
from .process.log import Log
from .process.tasks import CancelledByAnotherJobError, in_thread, own_task

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0
# A long poll that ends sooner than this without a job is an answer to slow down for.
_SHORTEST_POLL = 0.5
# An emulator that ends a worker answers what it waits for. Another may have sent the SIGTERM.
_PARTING = 0.2
# Errors of the worker's own in a row, with no job between them: it can do nothing any more.
_MOST_SETBACKS = 20
# The official worker tries a result three times, after these pauses in seconds.
_DONE_PAUSES = (2.0, 3.0)


@dataclass(frozen=True)
class _Refusal:
    text: str
    passing: bool


class JobLoop:
    """Runs one job at a time until told to stop. ``call`` runs a function to its end.

    It shares the event loop with the functions: one that blocks it waits for nobody else.
    """

    def __init__(
        self,
        plane: WorkerPlane,
        dependencies: Dependencies,
        heartbeat: Heartbeat,
        call: Callable[[FunctionRequest, str], Awaitable[FunctionResponse]],
        log: Log,
    ) -> None:
        self._plane = plane
        self._dependencies = dependencies
        self._heartbeat = heartbeat
        self._call = call
        self._log = log
        self._stopping = asyncio.Event()
        self._broken: BrokenWorkerError | None = None
        self._setbacks = 0
        self._polling = False

    async def run(self) -> None:
        """Take and run jobs; returns after ``stop``, when the job at hand is reported.

        Raises BrokenWorkerError where the worker cannot go on.
        """
        while not self._stopping.is_set() and self._broken is None:
            try:
                await self._run()
            except Exception as error:  # noqa: BLE001 - such as by a handler of the user's signals
                self._log.note(f"{type(error).__name__} while no job ran: {error}")
                self._setbacks += 1
                if self._setbacks == _MOST_SETBACKS:
                    self._broken = broken(error)
                await asyncio.sleep(_FIRST_PAUSE)
        if self._broken is not None:
            raise self._broken

    async def _run(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stopping.is_set() and self._broken is None:
            started = time.monotonic()
            try:
                job = await self._take()
            except PlaneError as error:
                if not self._stopping.is_set():
                    self._log.note(str(error))
                    await self._rest(max(pause, error.pause))
                    pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            if job is not None:
                while job is not None:
                    job = await self._work_on(job)
                pause = _FIRST_PAUSE
            elif time.monotonic() - started < _SHORTEST_POLL:
                await self._rest(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    def stop(self) -> None:
        """Take no further job; the one at hand goes on."""
        self._stopping.set()
        asyncio.get_running_loop().call_later(_PARTING, self._wait_no_longer)

    def _wait_no_longer(self) -> None:
        if self._polling:
            self._plane.abandon()

    async def _rest(self, seconds: float) -> None:
        waiting = own_task(self._stopping.wait())
        await asyncio.wait((waiting,), timeout=seconds)
        waiting.cancel()

    async def _take(self) -> TakenJob | None:
        with self._waiting():
            return await self._plane.take()

    @contextlib.contextmanager
    def _waiting(self) -> Iterator[None]:
        self._polling = True
        try:
            yield
        finally:
            self._polling = False

    async def _work_on(self, job: TakenJob) -> TakenJob | None:
        """Run a job and give its result; the next one if the platform gave it in return."""
        with self._heartbeat.busy_with(job.id):
            response = await self._respond(job)
            body = response.to_job_done()
            self._setbacks = 0
            last = self._stopping.is_set() or self._broken is not None
            if last or not self._plane.exchanges:
                await self._report(job, body)
                return None
        return await self._exchange(job, body)

    async def _exchange(self, job: TakenJob, body: bytes) -> TakenJob | None:
        try:
            with self._waiting():
                return await self._plane.exchange(job.id, body)
        except Exception as error:  # noqa: BLE001 - as in ``run``, and the result must not be lost
            if not isinstance(error, PlaneError):
                self._log.note(f"{type(error).__name__} while a result was sent: {error}")
            await self._report(job, body)
            return None

    async def _respond(self, job: TakenJob) -> FunctionResponse:
        try:
            request = FunctionRequest.from_input(job.input)
        except RequestError as error:
            return FunctionResponse(False, error=f"Error in handler: {error}")
        try:
            notes = await self._ensure_dependencies(request)
            if notes:
                self._log.note(notes.rstrip("\n"))
            return await self._call(request, notes)
        except (DependencyRefusedError, CancelledByAnotherJobError) as error:
            return FunctionResponse(False, error=str(error), stdout="")
        except Exception as error:  # noqa: BLE001 - whatever a job has changed in this process
            self._broken = broken(error)
            return FunctionResponse(False, error=str(self._broken), stdout="")

    async def _ensure_dependencies(self, request: FunctionRequest) -> str:
        if self._dependencies.at_hand(request):
            return self._dependencies.ensure(request)
        return await in_thread(lambda: self._dependencies.ensure(request))

    async def _report(self, job: TakenJob, body: bytes) -> None:
        problem = await self._deliver(job, body)
        for pause in _DONE_PAUSES:
            if problem is None or not problem.passing:
                break
            await asyncio.sleep(pause)
            problem = await self._deliver(job, body)
        if problem is not None:
            self._log.note(f"the result of job {job.id} was not accepted: {problem.text}")

    async def _deliver(self, job: TakenJob, body: bytes) -> _Refusal | None:
        try:
            reply = await self._plane.done(job.id, body)
        except PlaneError as error:
            return _Refusal(str(error), passing=True)
        if reply.status < 400:
            return None
        text = f"job-done: {reply.status} {reply.body[:200]!r}"
        return _Refusal(text, passing=reply.status >= 500)
