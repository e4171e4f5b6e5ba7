"""What happened during each test: its jobs, and the exceptions that the app's handlers raised."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

from ...clock import monotonic
from ...events import Event, JobEnded, JobNamed, JobOutput, JobStarted, Notice, Waiting
from ...functions.declaration.specs import FunctionSpec
from ...progress import Job
from .jobs import Jobs


@dataclass(frozen=True)
class HandlerError:
    """An exception that left the app, and the request that it was raised for."""

    request: str
    error: BaseException


@dataclass(eq=False)
class ActivityRecord:
    """What belongs to one test, or to none; filled from any thread, under the recorder's lock."""

    began: float = field(default_factory=monotonic)
    jobs: dict[int, Job] = field(default_factory=dict)
    errors: list[HandlerError] = field(default_factory=list)


# Whose a request or a call is: it may go on when the next test runs already.
_OWNER: ContextVar[ActivityRecord | None] = ContextVar("flash_owner", default=None)
_STUBBED: ContextVar[FunctionSpec | None] = ContextVar("flash_stubbed", default=None)


class Recorder:
    """An event sink that keeps what belongs to the test that runs. Thread-safe.

    One test runs at a time in a process, so what starts while it does is its own, unless it is of
    ``lasting``: what the app's lifespan does, and fixtures that outlive the test.
    ``forward`` gets each ended job too, and ``say`` each line that a function prints,
    and ``notify`` what a call waits for.
    """

    def __init__(
        self,
        forward: Callable[[Job], None],
        say: Callable[[str], None] | None = None,
        notify: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._forward = forward
        self._say = say
        self._notify = notify
        self._lock = threading.Lock()
        self._record = ActivityRecord()
        self._now = self._record
        self.lasting = ActivityRecord()
        self._owners: dict[int, ActivityRecord] = {}
        self._given_up: set[int] = set()

    def begin(self) -> None:
        """A test begins."""
        with self._lock:
            self._now = self._record = ActivityRecord()

    @contextlib.contextmanager
    def outliving(self) -> Iterator[None]:
        """What starts in this context belongs to no test."""
        before, self._now = self._now, self.lasting
        try:
            yield
        finally:
            self._now = before

    @property
    def owner(self) -> ActivityRecord:
        """Whose it is what starts here and now."""
        return _OWNER.get() or self._now

    @contextlib.contextmanager
    def on_behalf_of(
        self, owner: ActivityRecord, stubbed: FunctionSpec | None = None
    ) -> Iterator[None]:
        """What this task starts is ``owner``'s, and runs in the place of ``stubbed``."""
        tokens = _OWNER.set(owner), _STUBBED.set(stubbed)
        try:
            yield
        finally:
            _OWNER.reset(tokens[0])
            _STUBBED.reset(tokens[1])

    def concerns(self, owner: ActivityRecord) -> bool:
        """Whether it is of the test that runs, or of none."""
        return owner is self._record or owner is self.lasting

    @property
    def tells_output(self) -> bool:
        """Whether whoever runs the tests has read what functions printed."""
        return self._say is not None

    @property
    def current(self) -> Jobs:
        """The jobs of the test that runs; they stay its own when another begins."""
        record = self._record
        return Jobs(lambda: self._jobs_of(record))

    @property
    def recent(self) -> Sequence[Job]:
        """The jobs that were made since the test began, by itself or by what outlives it."""
        with self._lock:
            jobs = [*self.lasting.jobs.values(), *self._record.jobs.values()]
            recent = (job for job in jobs if job.started >= self._record.began)
            return sorted(recent, key=lambda job: job.started)

    @property
    def errors(self) -> Sequence[HandlerError]:
        """What the app's handlers have raised on behalf of the test that runs."""
        with self._lock:
            return tuple(self._record.errors)

    def unfinished(self, *, lasting: bool) -> Sequence[Job]:
        """The jobs under way of any test, and with ``lasting`` those of none.

        Without those that were given up.
        """
        with self._lock:
            return [
                owner.jobs[call]
                for call, owner in self._owners.items()
                if (lasting or owner is not self.lasting) and call not in self._given_up
            ]

    def give_up(self, *, lasting: bool) -> None:
        """What is ``unfinished`` was cancelled, and nobody has confirmed it: do not wait again."""
        with self._lock:
            for call, owner in self._owners.items():
                if lasting or owner is not self.lasting:
                    self._given_up.add(call)

    def raised(self, owner: ActivityRecord, request: str, error: BaseException) -> None:
        """A handler raised."""
        with self._lock:
            owner.errors.append(HandlerError(request, error))

    def __call__(self, event: Event) -> None:
        """Take in one event of a call."""
        if isinstance(event, JobStarted):
            self._started(event)
        elif isinstance(event, JobNamed | JobOutput | JobEnded):
            self._changed(event)
        elif isinstance(event, Waiting):
            self._notify(event.text)
            return
        if self._say is None:
            return
        if isinstance(event, JobOutput):
            for line in event.lines:
                self._say(line)
        elif isinstance(event, Notice):
            self._say(event.text)  # Why output does not come while jobs run.

    def _started(self, event: JobStarted) -> None:
        job = Job.begun(event, monotonic())
        original = _STUBBED.get()
        if original is not None:
            job = replace(job, function=original.name, location=original.location, stubbed=True)
        owner = self.owner
        with self._lock:
            self._owners[event.call] = owner
            owner.jobs[event.call] = job

    def _changed(self, event: JobNamed | JobOutput | JobEnded) -> None:
        with self._lock:
            owner = self._owners.get(event.call)
            if owner is None:
                return
            job = owner.jobs[event.call].after(event, monotonic())
            owner.jobs[event.call] = job
            if job.ended:
                del self._owners[event.call]
        if job.ended:
            self._forward(job)

    def _jobs_of(self, record: ActivityRecord) -> Sequence[Job]:
        with self._lock:
            return tuple(record.jobs.values())
