"""The jobs of one endpoint: a state machine without IO; whoever drives it brings the clock."""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, TypeAlias

from ...wire.job_state import JobState
from ..server.request_response import encode


class Absent(Enum):
    """The type of ``ABSENT``."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT
"""Marks an output that was never given, which is not the same as an output of None."""


Output: TypeAlias = bytes | Absent
"""What a worker gave, as JSON."""


NO_INPUT: Final = b"null"
"""The input of a job that has none, or none any more."""


@dataclass(frozen=True)
class Policy:
    """The limits of one job, in seconds.

    ``execution_timeout`` counts while the job runs, ``ttl`` from its submission. A
    ``low_priority`` job never starts a worker.
    """

    execution_timeout: float
    ttl: float
    low_priority: bool = False


@dataclass(eq=False, slots=True)
class QueuedJob:
    """One job. The times are seconds of the queue's clock; only the queue changes a job.

    ``input`` and ``output`` are JSON as it was sent; ``scope`` is the one that it was submitted in,
    for faults.
    """

    id: str
    input: bytes
    policy: Policy
    retention: float
    extra: dict[str, Any] = field(default_factory=dict)
    scope: str | None = None
    webhook: str | None = None
    state: JobState = JobState.IN_QUEUE
    worker_id: str = ""
    submitted_at: float = 0.0
    taken_at: float | None = None
    ended_at: float | None = None
    expires_at: float = 0.0
    output: Output = ABSENT
    error: str | None = None
    partials: list[Any] = field(default_factory=list)
    redeliveries: int = 0

    def due_at(self) -> float:
        """When time alone changes this job next."""
        if self.state.is_terminal and self.ended_at is not None:
            return min(self.ended_at + self.retention, self.expires_at)
        if self.taken_at is not None:
            return min(self.taken_at + self.policy.execution_timeout, self.expires_at)
        return self.expires_at

    def grow_older(self, seconds: float) -> None:
        """Have everything that has happened to it happen ``seconds`` earlier."""
        self.submitted_at -= seconds
        self.expires_at -= seconds
        if self.taken_at is not None:
            self.taken_at -= seconds
        if self.ended_at is not None:
            self.ended_at -= seconds

    def document(self) -> bytes:
        """The job as ``/status`` shows it, in JSON (Runpod docs, operation-reference).

        ``delayTime`` and ``executionTime`` are milliseconds. A terminal job always has them and
        ``workerId``, if only as 0 and "", because strict clients require all three.
        """
        body: dict[str, Any] = {"id": self.id, "status": self.state.value}
        if self.state is JobState.IN_QUEUE:
            return encode(body)
        started = self.taken_at if self.taken_at is not None else self.ended_at
        if started is not None:
            body["delayTime"] = _milliseconds(started - self.submitted_at)
        if self.ended_at is not None:
            ran = self.ended_at - self.taken_at if self.taken_at is not None else 0.0
            body["executionTime"] = _milliseconds(ran)
        body["workerId"] = self.worker_id
        if self.error is not None:
            body["error"] = self.error
        if isinstance(self.output, Absent):
            return encode(body)
        return b'%b,"output":%b}' % (encode(body)[:-1], self.output)


@dataclass(frozen=True)
class JobCounts:
    """How many jobs are in which state; the ended ones since the endpoint was made."""

    in_queue: int = 0
    in_progress: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    timed_out: int = 0
    retried: int = 0


class JobQueue:
    """Every job of one endpoint, in first-in first-out order; a ``Workload`` of the scheduler.

    ``clock`` gives seconds. ``ended`` is called with each job as it becomes terminal, once.
    Of workers that die a job is given to the next one, ``redeliveries`` times.
    A terminal job changes only by ``retry``; whatever arrives late is taken and ignored.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        ended: Callable[[QueuedJob], None],
        redeliveries: int = 0,
    ) -> None:
        self._clock = clock
        self._ended = ended
        self._redeliveries = redeliveries
        self._jobs: dict[str, QueuedJob] = {}
        self._waiting: OrderedDict[str, QueuedJob] = OrderedDict()
        self._pressing = 0
        self._running: dict[str, QueuedJob] = {}
        self._endings: Counter[JobState] = Counter()
        self._retried = 0
        self._due: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._jobs)

    def get(self, job_id: str) -> QueuedJob | None:
        """The job, or None when there is none or it has expired."""
        return self._jobs.get(job_id)

    def jobs(self) -> list[QueuedJob]:
        """Every job that has not expired, the oldest first."""
        return list(self._jobs.values())

    def running_on(self, job_id: str, worker_id: str) -> QueuedJob | None:
        """The job, if it is in progress on this worker: after a retry it may be elsewhere."""
        job = self._running.get(job_id)
        return job if job is not None and job.worker_id == worker_id else None

    def runs(self, job_id: str, worker_id: str) -> bool:
        """See Workload."""
        return self.running_on(job_id, worker_id) is not None

    def no_result(self, job_id: str, worker_id: str, error: str) -> None:
        """See Workload."""
        if job := self.running_on(job_id, worker_id):
            self.fail(job, error)

    def worker_died(self, job_id: str, worker_id: str, error: str) -> None:
        """See Workload. The next worker gets the job, if the project wants that, else it fails."""
        job = self.running_on(job_id, worker_id)
        if job is not None and job.redeliveries < self._redeliveries:
            self.redeliver(job)
        else:
            self.no_result(job_id, worker_id, error)

    @property
    def has_waiting(self) -> bool:
        """Whether a job could be taken."""
        return bool(self._waiting)

    @property
    def pressing(self) -> int:
        """How many queued jobs may start a worker."""
        return self._pressing

    @property
    def in_progress(self) -> int:
        """How many jobs run."""
        return len(self._running)

    def unfinished(self) -> list[QueuedJob]:
        """The jobs that have not ended, those that run first."""
        return [*self._running.values(), *self._waiting.values()]

    def counts(self) -> JobCounts:
        """The counters behind ``/health``."""
        return JobCounts(
            in_queue=len(self._waiting),
            in_progress=len(self._running),
            completed=self._endings[JobState.COMPLETED],
            failed=self._endings[JobState.FAILED],
            cancelled=self._endings[JobState.CANCELLED],
            timed_out=self._endings[JobState.TIMED_OUT],
            retried=self._retried,
        )

    def submit(self, job: QueuedJob) -> None:
        """Put a new job at the end of the queue."""
        job.submitted_at = self._clock()
        job.expires_at = job.submitted_at + job.policy.ttl
        self._jobs[job.id] = job
        self._enter_queue(job)

    def take(self, worker_id: str) -> QueuedJob | None:
        """The oldest queued job, now in progress on ``worker_id``."""
        job = next(iter(self._waiting.values()), None)
        if job is None:
            return None
        self._leave_queue(job)
        job.state, job.worker_id, job.taken_at = JobState.IN_PROGRESS, worker_id, self._clock()
        self._running[job.id] = job
        self._schedule(job)
        return job

    def put_back(self, job: QueuedJob) -> None:
        """Return a job that never reached its worker to the head of the queue."""
        if self._running.pop(job.id, None) is None:
            return
        job.state, job.worker_id, job.taken_at = JobState.IN_QUEUE, "", None
        self._enter_queue(job)
        self._waiting.move_to_end(job.id, last=False)

    def redeliver(self, job: QueuedJob) -> None:
        """Queue a job again, first in line, whose worker is gone; counted as retried."""
        if job.id not in self._running:
            return
        job.output, job.partials = ABSENT, []
        job.redeliveries += 1
        self._retried += 1
        self.put_back(job)

    def progress(self, job_id: str, worker_id: str, output: Output) -> None:
        """Keep a worker's progress update, which ``/status`` shows while the job runs."""
        if job := self.running_on(job_id, worker_id):
            job.output = output

    def add_partial(self, job_id: str, worker_id: str, partial: Any) -> None:
        """Keep one item of a job that streams."""
        if job := self.running_on(job_id, worker_id):
            job.partials.append(partial)

    def drain_partials(self, job: QueuedJob) -> list[Any]:
        """What a job has streamed since the last call."""
        partials, job.partials = job.partials, []
        return partials

    def finish(self, job_id: str, worker_id: str, output: Output, error: str | None) -> bool:
        """End a job with its worker's result; False when it came too late or from elsewhere."""
        job = self.running_on(job_id, worker_id)
        if job is None:
            return False
        job.output, job.error = output, error
        self._end(job, JobState.COMPLETED if error is None else JobState.FAILED)
        return True

    def fail(self, job: QueuedJob, error: str) -> None:
        """End a job that no worker can finish."""
        if not job.state.is_terminal:
            job.error = error
            self._end(job, JobState.FAILED)

    def fail_waiting(self, error: str) -> None:
        """End every queued job: nothing will ever take them."""
        for job in list(self._waiting.values()):
            self.fail(job, error)

    def cancel(self, job: QueuedJob) -> None:
        """Cancel a job, queued or running."""
        if not job.state.is_terminal:
            self._end(job, JobState.CANCELLED)

    def purge(self) -> int:
        """Cancel every queued job; returns how many. Running ones continue."""
        waiting = list(self._waiting.values())
        for job in waiting:
            self.cancel(job)
        return len(waiting)

    def close(self) -> None:
        """Cancel every job that has not ended."""
        for job in [*self._waiting.values(), *self._running.values()]:
            self.cancel(job)

    def retry(self, job: QueuedJob) -> bool:
        """Queue a job again under its id; only one that failed or timed out can be."""
        if job.state not in (JobState.FAILED, JobState.TIMED_OUT) or job.id not in self._jobs:
            return False
        self._endings[job.state] -= 1
        self._retried += 1
        job.state, job.worker_id = JobState.IN_QUEUE, ""
        job.taken_at = job.ended_at = job.error = None
        job.output, job.partials, job.redeliveries = ABSENT, [], 0
        self.submit(job)
        return True

    def extend(self, job: QueuedJob, ttl: float) -> None:
        """Let a job live for ``ttl`` seconds from now."""
        job.expires_at = self._clock() + ttl
        self._schedule(job)

    def advance(self, scope: str, seconds: float) -> None:
        """Let ``seconds`` pass at once for the jobs of ``scope``."""
        for job in self._jobs.values():
            if job.scope == scope:
                job.grow_older(seconds)
                self._schedule(job)
        self.expire()

    def next_due(self) -> float | None:
        """When ``expire`` should be called next."""
        return self._due[0][0] if self._due else None

    def expire(self) -> None:
        """Time out what has run or waited too long, and forget what nobody may ask for any more."""
        now = self._clock()
        while self._due and self._due[0][0] <= now:
            _, job_id = heapq.heappop(self._due)
            if job := self._jobs.get(job_id):
                self._age(job, now)

    def _age(self, job: QueuedJob, now: float) -> None:
        if job.due_at() > now:
            self._schedule(job)
            return
        if not job.state.is_terminal:
            self._end(job, JobState.TIMED_OUT, job.due_at())
        if job.due_at() <= now:
            del self._jobs[job.id]

    def _end(self, job: QueuedJob, state: JobState, at: float | None = None) -> None:
        self._leave_queue(job)
        self._running.pop(job.id, None)
        if state is JobState.TIMED_OUT:
            job.error = _timeout_text(job)
        if state in (JobState.COMPLETED, JobState.CANCELLED):
            job.input = NO_INPUT  # only the others can be retried
        job.state, job.ended_at = state, self._clock() if at is None else at
        self._endings[state] += 1
        self._schedule(job)
        self._ended(job)

    def _enter_queue(self, job: QueuedJob) -> None:
        self._waiting[job.id] = job
        self._pressing += not job.policy.low_priority
        self._schedule(job)

    def _leave_queue(self, job: QueuedJob) -> None:
        if self._waiting.pop(job.id, None) is not None:
            self._pressing -= not job.policy.low_priority

    def _schedule(self, job: QueuedJob) -> None:
        heapq.heappush(self._due, (job.due_at(), job.id))
        if len(self._due) > 64 + 4 * len(self._jobs):
            self._due = [(kept.due_at(), kept.id) for kept in self._jobs.values()]
            heapq.heapify(self._due)


def _timeout_text(job: QueuedJob) -> str:
    if job.taken_at is None:
        return f"no worker took the job within its time to live of {job.policy.ttl:g} s"
    return (
        f"the job ran for longer than its execution timeout of {job.policy.execution_timeout:g} s "
        "(policy.executionTimeout of the request, else the endpoint's timeout)"
    )


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))
