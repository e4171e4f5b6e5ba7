"""The workers of one endpoint: started as jobs ask for them, ended when nothing does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from ...functions.onworker.log_marks import unmarked
from ...process.exit_status import how_it_ended
from ..account.desired_workers import Load, desired_workers
from ..account.ids import new_id
from ..processes.image_programs import NoProgramError
from ..processes.worker_logs import WorkerLog, WorkerLogs
from ..server.daemon_threads import in_thread
from .heartbeats import Pings
from .idling import Idling
from .job_cancellation import StopOrders
from .start_backoff import Starts
from .worker import EmulatedWorker
from .worker_state import WorkerState

if TYPE_CHECKING:
    from ..account.endpoint_records import EndpointRecord
    from ..account.endpoint_views import WorkerView
    from ..processes.worker_process import WorkerProcess
    from .context import SchedulerContext
    from .worker_faults import WorkerFaults
    from .workload import Work, Workload

_log = logging.getLogger(__name__)

# More at once only take the processor from one another, however many are wanted.
_STARTS_AT_ONCE = 32


class WorkerPool:
    """The workers of one endpoint. Lives on one event loop.

    ``changed`` is called after whatever happens here without being asked for (a worker started,
    died, idled out), so that the owner can hand out jobs and ``reconcile``.
    """

    def __init__(
        self,
        record: EndpointRecord,
        workload: Workload,
        context: SchedulerContext,
        worker_faults: WorkerFaults,
        changed: Callable[[], None],
    ) -> None:
        self._record = record
        self._workload = workload
        self._launcher = context.launcher
        self._timings = context.timings
        self._options = context.options
        self._worker_faults = worker_faults
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._workers: dict[str, EmulatedWorker] = {}
        self._logs = WorkerLogs(self._loop.time)
        self._tasks: set[asyncio.Task[None]] = set()
        self._starts = Starts(self._timings)
        self._pings = Pings(self._timings.ping_interval, self._options.missed_pings, self._silent)
        self._stops = StopOrders(
            workload, self._timings.cancel_grace, given_up=self._gave_up, ignored=self._ignored
        )
        self._idling = Idling(self._idled_out)
        self._next_start: asyncio.TimerHandle | None = None
        self._closed = False

    def worker(self, worker_id: str) -> EmulatedWorker | None:
        """The worker of this id that is not stopping."""
        worker = self._workers.get(worker_id)
        return None if worker is None or worker.is_stopping else worker

    def log(self, worker_id: str) -> WorkerLog | None:
        """The log of a worker that is, or was until lately."""
        return self._logs.get(worker_id)

    def active(self) -> list[EmulatedWorker]:
        """Every worker that is not stopping."""
        return [worker for worker in self._workers.values() if not worker.is_stopping]

    def views(self) -> list[WorkerView]:
        """Every active worker, as the management plane shows it."""
        now = self._loop.time()
        return [worker.view(now) for worker in self.active()]

    def update(self, record: EndpointRecord) -> None:
        """Follow a changed configuration. The caller reconciles."""
        if record.version != self._record.version:
            self._starts = Starts(self._timings)
            for worker in list(self._workers.values()):
                if worker.process is None and worker.problem is not None:
                    self._drop(worker)
        self._record = record
        for worker in self._live():
            self._rest(worker)

    def reconcile(self) -> None:
        """Stop the workers that should go and start those that are missing."""
        if self._closed:
            return
        live = self._retire(self._live())
        if self._starts.hopeless is not None:
            self._workload.fail_waiting(self._starts.hopeless)
        missing = self._wanted(live) - len(live)
        if missing <= 0:
            return  # mostly: this is asked three times for each job
        starting = sum(worker.state.is_starting for worker in live)
        missing = self._starts.allowed(missing, starting=starting > 0)
        missing = min(missing, _STARTS_AT_ONCE - starting)
        if missing > 0 and (delay := self._starts.delay(self._loop.time())) > 0:
            self._start_later(delay)
            return
        for _ in range(missing):
            self._start()

    def demand(self) -> None:
        """A job arrived: after failed starts, try again for it at once."""
        self._starts.demanded()

    def polled(self, worker: EmulatedWorker, *, busy: bool) -> None:
        """A worker asked for a job; ``busy`` as it says whether it still runs any.

        If it does not, no result will come for those that it was given: they were cancelled, their
        results could not be sent, or they never arrived.
        """
        if worker.advance(WorkerState.READY):
            self._note(worker, "is ready")
            self._rest(worker)
        if not busy:
            for job_id in list(worker.jobs):
                text = f"worker {worker.id} asked for another job without a result for this one"
                self._workload.no_result(job_id, worker.id, f"{text}; its log may say why")
                self.release(worker, job_id)

    def unhealthy(self, worker: EmulatedWorker, problem: str) -> None:
        """A worker will be of no use: it is given no job, and soon killed if it does not end."""
        worker.fail(problem)
        self._note(worker, problem, logging.WARNING)
        if worker.process is not None:
            grace = self._timings.stop_grace
            worker.set_timer(self._loop.call_later(grace, worker.process.kill))

    def pinged(self, worker: EmulatedWorker) -> None:
        """A worker said that it lives."""
        self._pings.heard(worker)

    def can_take(self, worker: EmulatedWorker) -> bool:
        """Whether a job that is given to this worker now will run."""
        return (
            worker.state.takes_jobs
            and worker.version == self._record.version
            and worker.process is not None
            and worker.process.is_alive()
        )

    def assign(self, worker: EmulatedWorker, work: Work) -> None:
        """Note that a worker has been given a job."""
        worker.set_timer(None)
        worker.advance(WorkerState.SERVING)
        worker.jobs.add(work.id)
        worker.scope, worker.idle_since = work.scope, None
        self._starts.succeeded()

    def release(self, worker: EmulatedWorker, job_id: str) -> None:
        """Note that a worker is through with a job."""
        worker.forget(job_id)
        self._rest(worker)

    def job_ended(self, worker_id: str, job_id: str) -> None:
        """A job has its result: its worker, if it had any, is free for others."""
        worker = self.worker(worker_id)
        if worker is not None and job_id in worker.jobs:
            self.release(worker, job_id)

    def stop_job(self, worker_id: str, job_id: str, *, late: bool) -> None:
        """A job was cancelled, or is too ``late``: stop the function that still runs."""
        worker = self.worker(worker_id)
        if worker is None or job_id not in worker.jobs:
            return
        if late and not worker.listeners and not self._stops.runs_others(worker):
            # It could not be stopped in any other way.
            worker.fail(f"was replaced because job {job_id} ran for too long")
            self._kill(worker)
        else:
            self._stops.give(worker, job_id)

    def retried(self, job_id: str) -> None:
        """A job is queued again: not for a worker that may run it still."""
        for worker in self._live():
            if job_id in worker.jobs:
                worker.advance(WorkerState.RETIRING)

    def advance_starts(self, seconds: float) -> None:
        """After failed starts, the next one comes ``seconds`` earlier. The caller reconciles."""
        self._starts.advance(seconds)
        if self._next_start is not None:
            self._next_start.cancel()
            self._next_start = None

    def advance_idling(self, scope: str, seconds: float) -> None:
        """Workers that served ``scope`` last have been idle for ``seconds`` longer."""
        for worker in self._live():
            if worker.scope == scope:
                self._idling.advance(worker, seconds, self._record.idle_timeout)

    def close(self) -> None:
        """Kill every worker and start no more."""
        self._closed = True
        if self._next_start is not None:
            self._next_start.cancel()
        for worker in list(self._workers.values()):
            self._kill(worker)

    async def gone(self) -> None:
        """Wait until no process is left, after ``close``."""
        for worker in list(self._workers.values()):
            if worker.process is not None:
                await worker.gone.wait()

    def _live(self) -> list[EmulatedWorker]:
        return [worker for worker in self._workers.values() if worker.state.is_live]

    def _wanted(self, live: list[EmulatedWorker]) -> int:
        load = Load(
            queued=self._workload.pressing,
            running=self._workload.in_progress,
            busy=len([worker for worker in live if worker.jobs]),
        )
        bounds = self._record.workers_min, self._record.workers_max
        return desired_workers(self._record.scaling, load, minimum=bounds[0], maximum=bounds[1])

    def _retire(self, live: list[EmulatedWorker]) -> list[EmulatedWorker]:
        """Stop what is idle and stale, used up or too many; returns those that stay."""
        version, surplus = self._record.version, len(live) - self._record.workers_max
        stopped = False
        for worker in live:
            unwanted = worker.version != version or worker.state is WorkerState.RETIRING
            if not worker.jobs and (unwanted or surplus > 0):
                surplus -= 1
                self._stop(worker)
                stopped = True
        return [worker for worker in live if not worker.is_stopping] if stopped else live

    def _start_later(self, delay: float) -> None:
        if self._next_start is None:
            self._next_start = self._loop.call_later(delay, self._start_now)

    def _start_now(self) -> None:
        self._next_start = None
        self._changed()

    def _start(self) -> None:
        worker_id = new_id()
        worker = EmulatedWorker(
            id=worker_id,
            version=self._record.version,
            image=self._record.container.image,
            log=self._logs.open(worker_id),
        )
        self._workers[worker_id] = worker
        self._keep(self._launch(worker, self._record))

    def _drop(self, worker: EmulatedWorker) -> None:
        """It is no worker any more; its log stays for a while."""
        self._workers.pop(worker.id, None)
        self._logs.end(worker.id)

    def _note(self, worker: EmulatedWorker, event: str, level: int = logging.INFO) -> None:
        """Something happened to a worker; ``event`` completes "worker …"."""
        _log.log(level, "worker %s of %s %s", worker.id, self._record.name, event)
        worker.log.add("system", f"worker {worker.id} {event}")

    def _printed(self, worker: EmulatedWorker, line: str) -> None:
        if (shown := unmarked(line)) is not None:
            _log.info("[%s] %s", worker.id, shown)
        worker.log.add("container", line)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _launch(self, worker: EmulatedWorker, record: EndpointRecord) -> None:
        try:
            await self._worker_faults.start(worker)
            if worker.is_stopping:
                self._drop(worker)
                worker.gone.set()
                return
            process = await in_thread(partial(self._launcher.launch, record, worker.id))
        except NoProgramError as error:
            self._refused(worker, str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the callers must hear of it
            worker.log.add("system", f"worker {worker.id} could not be started: {error}")
            self._drop(worker)
            self._start_failed(worker, f"a worker could not be started: {error}")
        else:
            self._launched(worker, process)
        self._changed()

    def _launched(self, worker: EmulatedWorker, process: WorkerProcess) -> None:
        worker.attach(process, self._loop.time())
        self._note(worker, f"started (process {process.pid})")
        process.watch(
            self._loop,
            exited=partial(self._exited, worker),
            printed=partial(self._printed, worker),
        )
        if worker.is_stopping:
            process.kill()
        else:
            limit = self._timings.worker_start
            worker.set_timer(self._loop.call_later(limit, self._start_overdue, worker))

    def _refused(self, worker: EmulatedWorker, reason: str) -> None:
        if worker.version == self._record.version and not worker.is_stopping:
            worker.log.add("system", reason)
            worker.fail(reason)  # it stays, for all to see that the endpoint is unhealthy
            self._starts.refuse(reason)
        else:
            self._drop(worker)

    def _start_overdue(self, worker: EmulatedWorker) -> None:
        missed = "ask for a job" if self._record.type == "QUEUE" else "become healthy"
        worker.fail(f"did not {missed} within {self._timings.worker_start:g} s")
        if worker.process is not None:
            worker.process.kill()

    def _exited(self, worker: EmulatedWorker, code: int) -> None:
        self._note(worker, how_it_ended(code))
        self._launcher.revoke(worker.id)
        self._drop(worker)
        worker.set_timer(None)
        worker.set_ping_timer(None)
        worker.gone.set()
        for job_id in worker.jobs:
            if self._workload.runs(job_id, worker.id):
                death = worker.death(code, f"while it ran job {job_id}")
                self._workload.worker_died(job_id, worker.id, death)
        if worker.state.had_no_job:
            self._start_failed(worker, worker.death(code, "before it took a job"))
        self._keep(in_thread(partial(self._launcher.clean, worker.id)))
        self._changed()

    def _silent(self, worker: EmulatedWorker) -> None:
        seconds = self._options.missed_pings * self._timings.ping_interval
        problem = f"sent no ping for {seconds:g} s"
        worker.fail(problem)
        self._note(worker, problem, logging.WARNING)
        worker.kill()

    def _gave_up(self, worker: EmulatedWorker, job_id: str) -> None:
        self.release(worker, job_id)
        self._changed()

    def _ignored(self, worker: EmulatedWorker, job_id: str) -> None:
        worker.fail(f"was replaced because it did not give up job {job_id}")
        self._kill(worker)
        self._changed()

    def _start_failed(self, worker: EmulatedWorker, reason: str) -> None:
        if worker.version == self._record.version and not worker.is_stopping:
            _log.warning("%s", reason)
            self._starts.failed(reason, self._loop.time())

    def _rest(self, worker: EmulatedWorker) -> None:
        """Let a worker that has nothing to do go home, or wait for its idle timeout."""
        if worker.jobs or worker.state.is_starting or not worker.state.is_live:
            return
        if worker.state is WorkerState.RETIRING or worker.version != self._record.version:
            self._stop(worker)
        else:
            self._idling.begin(worker, self._record.idle_timeout)

    def _idled_out(self, worker: EmulatedWorker) -> None:
        if len(self._live()) > self._record.workers_min:
            self._stop(worker)
            self._changed()

    def _stop(self, worker: EmulatedWorker) -> None:
        worker.dismiss()
        if worker.process is not None:
            worker.process.terminate()
            worker.set_timer(self._loop.call_later(self._timings.stop_grace, worker.process.kill))

    def _kill(self, worker: EmulatedWorker) -> None:
        worker.dismiss()
        if worker.process is not None:
            worker.process.kill()
        elif worker.problem is not None:
            self._drop(worker)
