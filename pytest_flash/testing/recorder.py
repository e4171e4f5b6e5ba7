"""What happened during each test: its jobs, and the exceptions that the app's handlers raised."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ..events import Event, JobEnded, JobNamed, JobOutput, JobStarted
from ..functions.registry import FunctionSpec
from .jobs import Job, Jobs


@dataclass(frozen=True)
class AppError:
    """An exception that left the app, and the request that it was raised for."""

    request: str
    error: BaseException


@dataclass
class _Record:
    """One test's; filled from any thread, under the recorder's lock."""

    jobs: dict[int, Job] = field(default_factory=dict)
    errors: list[AppError] = field(default_factory=list)


class Recorder:
    """An event sink that keeps what belongs to the test that runs. Thread-safe.

    One test runs at a time in a process, so whatever starts while it does is its own.
    ``forward`` gets each ended job too.
    """

    def __init__(self, forward: Callable[[Job], None]) -> None:
        self._forward = forward
        self._lock = threading.Lock()
        self._record = _Record()
        self._owners: dict[int, _Record] = {}
        self._originals: dict[tuple[str, str], FunctionSpec] = {}

    def begin(self) -> None:
        """A test begins."""
        with self._lock:
            self._record = _Record()

    @property
    def current(self) -> Jobs:
        """The jobs of the test that runs; they stay its own when another begins."""
        record = self._record
        return Jobs(lambda: self._jobs_of(record))

    @property
    def errors(self) -> Sequence[AppError]:
        """What the app's handlers have raised during the test that runs."""
        with self._lock:
            return tuple(self._record.errors)

    def stands_for(self, replacement: FunctionSpec, original: FunctionSpec) -> None:
        """Jobs of ``replacement`` are stubbed ones of ``original``."""
        self._originals[replacement.name, replacement.location] = original

    def raised(self, request: str, error: BaseException) -> None:
        """A handler raised."""
        with self._lock:
            self._record.errors.append(AppError(request, error))

    def __call__(self, event: Event) -> None:
        """Take in one event of a call."""
        if isinstance(event, JobStarted):
            self._started(event)
        elif isinstance(event, JobNamed):
            self._change(event.call, id=event.job_id)
        elif isinstance(event, JobOutput):
            self._printed(event)
        elif isinstance(event, JobEnded):
            self._ended(event)

    def _started(self, event: JobStarted) -> None:
        job = Job(
            event.function,
            event.location,
            event.endpoint,
            event.endpoint_id,
            started=time.monotonic(),
        )
        original = self._originals.get((event.function, event.location))
        if original is not None:
            job = replace(job, function=original.name, location=original.location, stubbed=True)
        with self._lock:
            self._owners[event.call] = self._record
            self._record.jobs[event.call] = job

    def _printed(self, event: JobOutput) -> None:
        with self._lock:
            owner = self._owners.get(event.call)
            if owner is not None:
                job = owner.jobs[event.call]
                stdout = job.stdout + event.text
                owner.jobs[event.call] = replace(
                    job, stdout=stdout, worker_id=event.worker_id or job.worker_id
                )

    def _ended(self, event: JobEnded) -> None:
        job = self._change(
            event.call,
            id=event.job_id,
            status=event.state,
            delay_time=event.delay_time,
            execution_time=event.execution_time,
            worker_id=event.worker_id,
            cold=event.cold,
            stdout=event.stdout,
            error=event.error,
            traceback=event.traceback,
            ended=True,
        )
        with self._lock:
            self._owners.pop(event.call, None)
        if job is not None:
            self._forward(job)

    def _change(self, call: int, **values: object) -> Job | None:
        with self._lock:
            owner = self._owners.get(call)
            if owner is None:
                return None
            job = owner.jobs[call] = replace(owner.jobs[call], **values)  # type: ignore[arg-type]
            return job

    def _jobs_of(self, record: _Record) -> Sequence[Job]:
        with self._lock:
            return tuple(record.jobs.values())
