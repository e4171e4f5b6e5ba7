"""A queue-based endpoint at work: its jobs, and who waits for one."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...wire.job_state import JobState
from ..queue.jobs import JobQueue, Output, QueuedJob
from .endpoint import EmulatedEndpoint
from .worker_state import WorkerState

if TYPE_CHECKING:
    from ..account.endpoint_records import EndpointRecord
    from ..queue.jobs import JobCounts
    from ..queue.submissions import Submission
    from .context import SchedulerContext
    from .worker import EmulatedWorker


@dataclass(frozen=True, eq=False)
class Taker:
    """A worker that waits for up to ``limit`` jobs. The future gets them, or nothing."""

    worker: EmulatedWorker
    limit: int
    jobs: asyncio.Future[list[QueuedJob]]


class QueueEndpoint(EmulatedEndpoint):
    """An endpoint whose workers ask for jobs."""

    def __init__(
        self, record: EndpointRecord, context: SchedulerContext, scope: str | None = None
    ) -> None:
        clock = asyncio.get_running_loop().time
        self._queue = JobQueue(clock, self._job_ended, context.options.redeliveries)
        super().__init__(record, self._queue, context, scope)
        self._takers: deque[Taker] = deque()
        self._waiters: dict[str, list[asyncio.Future[None]]] = {}
        self._alarm: asyncio.Handle | None = None
        self._alarm_due = 0.0

    def counts(self) -> JobCounts:
        """Its counters of jobs."""
        return self._queue.counts()

    def unfinished(self) -> Sequence[QueuedJob]:
        """See EmulatedEndpoint."""
        return self._queue.unfinished()

    def close(self) -> None:
        """See EmulatedEndpoint."""
        super().close()
        for taker in self._takers:
            _settle_future(taker.jobs, [])
        self._takers.clear()
        if self._alarm is not None:
            self._alarm.cancel()

    # What clients do

    def submit(self, submission: Submission, *, sync: bool, scope: str | None = None) -> QueuedJob:
        """Queue a job, submitted in ``scope``."""
        timings = self._context.timings
        job = QueuedJob(
            id=f"{'sync-' if sync else ''}{uuid.uuid4()}-e1",
            input=submission.input,
            policy=submission.policy,
            retention=timings.runsync_retention if sync else timings.run_retention,
            extra=submission.extra,
            webhook=submission.webhook,
            scope=scope,
        )
        self._queue.submit(job)
        if submission.problem is not None:
            self._queue.fail(job, submission.problem)
        self._pool.demand()
        self._settle()
        return job

    def jobs(self) -> list[QueuedJob]:
        """Its jobs, those that have ended for as long as they are kept, the oldest first."""
        return self._queue.jobs()

    def job(self, job_id: str) -> QueuedJob | None:
        """The job, or None when there is none or it has expired."""
        return self._queue.get(job_id)

    async def wait(self, job: QueuedJob, seconds: float) -> None:
        """Wait until ``job`` is terminal, but no longer than ``seconds``."""
        if job.state.is_terminal:
            return
        waiter: asyncio.Future[None] = self._loop.create_future()
        waiters = self._waiters.setdefault(job.id, [])
        waiters.append(waiter)
        limit = self._loop.call_later(seconds, _settle_future, waiter, None)
        try:
            await waiter
        finally:
            limit.cancel()
            waiters.remove(waiter)
            if not waiters:
                self._waiters.pop(job.id, None)

    def cancel(self, job: QueuedJob) -> None:
        """Cancel a job; its worker is ordered to stop it, and is replaced if it does not."""
        self._queue.cancel(job)
        self._settle()

    def purge(self) -> int:
        """Cancel every queued job; returns how many."""
        removed = self._queue.purge()
        self._settle()
        return removed

    def retry(self, job: QueuedJob) -> bool:
        """Queue a failed or timed-out job again; False for any other."""
        retried = self._queue.retry(job)
        if retried:
            self._pool.retried(job.id)
            self._pool.demand()
            self._settle()
        return retried

    def extend(self, job: QueuedJob, ttl: float) -> None:
        """Let a job live for ``ttl`` seconds from now."""
        self._queue.extend(job, ttl)
        self._settle()

    def drain_partials(self, job: QueuedJob) -> list[Any]:
        """What a job has streamed since the last call."""
        return self._queue.drain_partials(job)

    # What workers do

    def line_up(self, worker: EmulatedWorker, *, limit: int, busy: bool) -> Taker:
        """A worker asks for up to ``limit`` jobs. ``leave`` must follow."""
        self._pool.polled(worker, busy=busy)
        taker = Taker(worker, limit, self._loop.create_future())
        self._takers.append(taker)
        worker.polls.add(taker.jobs)
        self._settle()
        return taker

    def leave(self, taker: Taker, *, received: bool) -> None:
        """A worker waits no longer. Jobs that it was given but never received are queued again."""
        taker.worker.polls.discard(taker.jobs)
        if not taker.jobs.done():
            self._takers.remove(taker)
            taker.jobs.cancel()
        elif not taker.jobs.result():
            with contextlib.suppress(ValueError):  # out of the line already
                self._takers.remove(taker)
        elif not received:
            for job in reversed(taker.jobs.result()):
                self._queue.put_back(job)
                self._pool.release(taker.worker, job.id)
            self._settle()
        else:
            self._endanger(taker.worker, taker.jobs.result())

    def result(
        self, worker: EmulatedWorker, job_id: str, output: Output, error: str | None, *, last: bool
    ) -> None:
        """A worker's result; ``last`` when it asks to be replaced after this job."""
        if last:
            worker.advance(WorkerState.RETIRING)
        job = self._queue.running_on(job_id, worker.id)
        for _ in range(self._worker_faults.deliveries(job.scope if job else None)):
            self._queue.finish(job_id, worker.id, output, error)
        self._pool.release(worker, job_id)
        if self._worker_faults.kill("after"):
            worker.kill()
        self._settle()

    def progress(self, worker: EmulatedWorker, job_id: str, output: Output) -> None:
        """A worker's progress update."""
        self._queue.progress(job_id, worker.id, output)

    def partial(self, worker: EmulatedWorker, job_id: str, output: Any) -> None:
        """One item of a worker's stream."""
        self._queue.add_partial(job_id, worker.id, output)

    # What holds it together

    def _settle(self) -> None:
        super()._settle()
        if not self._closed:
            self._set_alarm()

    def _dispatch(self) -> None:
        while self._takers and self._queue.has_waiting:
            taker = self._takers.popleft()
            jobs: list[QueuedJob] = []
            if not self._pool.can_take(taker.worker):
                pass
            elif self._worker_faults.kill("before"):
                taker.worker.advance(WorkerState.SERVING)  # it had started well
                taker.worker.kill()
            else:
                while len(jobs) < taker.limit and (job := self._queue.take(taker.worker.id)):
                    self._pool.assign(taker.worker, job)
                    jobs.append(job)
            _settle_future(taker.jobs, jobs)

    def _job_ended(self, job: QueuedJob) -> None:
        for waiter in self._waiters.get(job.id, ()):
            _settle_future(waiter, None)
        if job.state in (JobState.CANCELLED, JobState.TIMED_OUT):
            self._pool.stop_job(job.worker_id, job.id, late=job.state is JobState.TIMED_OUT)
        else:
            self._pool.job_ended(job.worker_id, job.id)
        if job.webhook is not None:
            self._context.webhooks.deliver(job.webhook, job.id, job.document())

    def _set_alarm(self) -> None:
        due = self._queue.next_due()
        if due is None or (self._alarm is not None and self._alarm_due <= due):
            return
        if self._alarm is not None:
            self._alarm.cancel()
        # Kept here: what uvloop returns for a time that has come does not tell it.
        self._alarm_due = due
        self._alarm = self._loop.call_at(due, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._queue.expire()
        self._settle()


def _settle_future(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)
