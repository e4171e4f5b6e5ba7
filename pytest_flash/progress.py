"""What the events of a run say of its jobs and endpoints so far: the one fold of them.

Terminal, console and test reports each keep the parts that they show, and how many of them.
Times are seconds of the clock of whoever folds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .events import (
    AppBroken,
    EndpointPending,
    EndpointReady,
    EndpointRemoved,
    Event,
    JobEnded,
    JobNamed,
    JobOutput,
    JobStarted,
    ServerEnded,
    Serving,
)

COMPLETED = "COMPLETED"


@dataclass(frozen=True)
class Job:
    """One call of a remote function.

    ``status`` is the job's terminal state, or None while it has none: the call is under way, or
    it ended without one (``error`` says how). ``delay_time`` and ``execution_time`` are
    milliseconds, None where unknown. ``cold``: it was the first job of its worker. ``stubbed``: a
    replacement ran in the function's place. ``stdout`` is what the function has printed and logged,
    ``error`` the text of its failure, ``traceback`` the worker's traceback where it raised.
    ``started`` and ``finished`` are seconds, the latter None while it is under way. ``input``,
    ``output`` and ``arguments`` are there where values are recorded, as in JobStarted and
    JobEnded.
    """

    call: int
    function: str
    location: str
    endpoint: str
    endpoint_id: str
    started: float
    input: str | None = None
    arguments: bytes | None = field(default=None, repr=False)
    id: str | None = None
    status: str | None = None
    delay_time: int | None = None
    execution_time: int | None = None
    worker_id: str | None = None
    cold: bool = False
    stubbed: bool = False
    stdout: str = ""
    error: str | None = None
    traceback: str | None = None
    output: str | None = None
    finished: float | None = None

    @property
    def ended(self) -> bool:
        """Whether the call is over."""
        return self.finished is not None

    @property
    def failed(self) -> bool:
        """Whether it ended in any other way than COMPLETED with a result."""
        return self.ended and (self.status != COMPLETED or self.error is not None)

    @classmethod
    def begun(cls, event: JobStarted, at: float) -> Job:
        """The job of a call that has just started."""
        return cls(
            event.call,
            event.function,
            event.location,
            event.endpoint,
            event.endpoint_id,
            at,
            event.input,
            event.arguments,
        )

    def after(self, event: JobNamed | JobOutput | JobEnded, at: float) -> Job:
        """The same job with one more event of its call."""
        if isinstance(event, JobNamed):
            return replace(self, id=event.job_id)
        # Of a job whose caller gave up, its end says less than was known before.
        known = replace(
            self, id=event.job_id or self.id, worker_id=event.worker_id or self.worker_id
        )
        if isinstance(event, JobOutput):
            end = "" if event.text.endswith("\n") else "\n"
            return replace(known, stdout=f"{self.stdout}{event.text}{end}")
        return replace(
            known,
            status=event.state,
            delay_time=event.delay_time,
            execution_time=event.execution_time,
            cold=event.cold,
            stdout=event.stdout or self.stdout,
            error=event.error,
            traceback=event.traceback,
            output=event.output,
            finished=at,
        )


@dataclass(frozen=True)
class EndpointProgress:
    """How an endpoint stands.

    ``id`` is None while it is not known to exist. ``pending`` is the work on it that has begun,
    ``since`` when; ``ready`` the last work that was done. ``warm``: a worker of it has given a
    result since. ``removed``: it was deleted, and not made again.
    """

    name: str
    id: str | None = None
    pending: EndpointPending | None = None
    since: float = 0.0
    ready: EndpointReady | None = None
    warm: bool = False
    removed: bool = False

    @property
    def is_new(self) -> bool:
        """Whether no worker of it can have started before."""
        return self.ready is not None and self.ready.action in ("created", "recreated")

    def after(self, event: Event, at: float) -> EndpointProgress:
        """The same endpoint with one more event that names it."""
        if isinstance(event, EndpointPending):
            return replace(self, pending=event, since=at)
        if isinstance(event, EndpointReady):
            return EndpointProgress(self.name, event.endpoint_id, ready=event)
        if isinstance(event, EndpointRemoved):
            return replace(self, id=None, warm=False, removed=True)
        if isinstance(event, JobStarted):
            return replace(self, id=event.endpoint_id)
        if isinstance(event, JobEnded) and event.worker_id is not None:
            return replace(self, warm=True)
        return self


def endpoints_after(
    endpoints: Mapping[str, EndpointProgress], event: Event, at: float
) -> Mapping[str, EndpointProgress]:
    """``endpoints``, by name, with one more event; the same object where it changes none."""
    if isinstance(event, Serving | AppBroken | ServerEnded):
        # The end of work that code which is gone had begun may never be reported.
        now = {name: replace(each, pending=None) for name, each in endpoints.items()}
        return endpoints if now == endpoints else now
    if isinstance(event, EndpointPending | EndpointReady | EndpointRemoved):
        name = event.name
    elif isinstance(event, JobStarted | JobEnded):
        name = event.endpoint
    else:
        return endpoints
    known = endpoints.get(name)
    after = (known or EndpointProgress(name)).after(event, at)
    return endpoints if after == known else {**endpoints, name: after}
