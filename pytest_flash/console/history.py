"""What happened in a ``flash run`` so far, bounded: pure data, and how an event changes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .. import events
from ..events import Event

JOBS = 200
_NOTICES = 20
# Characters of output, and of an error, that are kept of one job: the last ones.
_TEXT = 32_000


@dataclass(frozen=True)
class Recorded:
    """An event, the generation of the code that reported it, and when (Unix time, seconds)."""

    generation: int
    at: float
    event: Event


@dataclass(frozen=True)
class JobEntry:
    """A call of a remote function. ``delay`` and ``execution`` are milliseconds.

    ``ended`` is None while it runs. ``state`` is then None too, as for a call that ended without
    an answer. ``error`` is in a few words, ``traceback`` that of the worker.
    """

    id: str
    generation: int
    function: str
    location: str
    endpoint: str
    started: float
    input: str | None
    arguments: bytes | None = field(repr=False)
    job_id: str | None = None
    ended: float | None = None
    state: str | None = None
    delay: int | None = None
    execution: int | None = None
    worker: str | None = None
    cold: bool = False
    output: str | None = None
    stdout: str = ""
    error: str | None = None
    traceback: str | None = None


@dataclass(frozen=True)
class Note:
    """Something that a person should know, and when it was said."""

    at: float
    text: str


@dataclass(frozen=True)
class History:
    """The latest jobs by id, oldest first, and how app and endpoints stand.

    ``endpoint_ids`` and ``pending`` (what is being done) are by endpoint name. ``broken`` says
    why the app's code could not be loaded, while it cannot; ``reloading`` which files changed,
    until their code serves.
    """

    target: events.TargetChosen | None = None
    serving: events.Serving | None = None
    reloading: tuple[str, ...] | None = None
    broken: str | None = None
    endpoint_ids: Mapping[str, str] = field(default_factory=dict)
    pending: Mapping[str, str] = field(default_factory=dict)
    jobs: Mapping[str, JobEntry] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()


_JobEvent = events.JobStarted | events.JobNamed | events.JobOutput | events.JobEnded


def after(history: History, recorded: Recorded) -> History:
    """``history`` with one more event."""
    event = recorded.event
    if isinstance(event, _JobEvent):
        return _with_job(history, recorded, event)
    if isinstance(event, events.TargetChosen):
        return replace(history, target=event)
    if isinstance(event, events.Serving):
        # Its token is in the browser, if anywhere: nothing here needs it.
        return replace(history, serving=replace(event, console=None), reloading=None, broken=None)
    if isinstance(event, events.AppBroken):
        return replace(history, reloading=None, broken=event.text)
    if isinstance(event, events.ServerEnded):
        text = f"the app's process ended with exit code {event.code}"
        return replace(history, reloading=None, broken=text)
    if isinstance(event, events.Reloading):
        return replace(history, reloading=event.files)
    if isinstance(event, events.Notice):
        notes = (*history.notes, Note(recorded.at, event.text))
        return replace(history, notes=notes[-_NOTICES:])
    return _with_endpoint(history, event)


def _with_endpoint(history: History, event: Event) -> History:
    ids, pending = dict(history.endpoint_ids), dict(history.pending)
    if isinstance(event, events.EndpointPending):
        pending[event.name] = event.action
    elif isinstance(event, events.EndpointReady):
        pending.pop(event.name, None)
        ids[event.name] = event.endpoint_id
    elif isinstance(event, events.EndpointRemoved):
        ids.pop(event.name, None)
    else:
        return history
    return replace(history, endpoint_ids=ids, pending=pending)


def _with_job(history: History, recorded: Recorded, event: _JobEvent) -> History:
    key = f"{recorded.generation}-{event.call}"
    if isinstance(event, events.JobStarted):
        jobs = {**history.jobs, key: _started(key, recorded, event)}
        ids = {**history.endpoint_ids, event.endpoint: event.endpoint_id}
        return replace(history, jobs=_latest(jobs), endpoint_ids=ids)
    job = history.jobs.get(key)
    if job is None:
        return history  # Forgotten meanwhile: there were too many.
    if isinstance(event, events.JobNamed):
        job = replace(job, job_id=event.job_id)
    elif isinstance(event, events.JobOutput):
        job_id = event.job_id or job.job_id
        job = replace(job, job_id=job_id, stdout=_tail(job.stdout + _ended_line(event.text)))
    else:
        job = _ended(job, recorded.at, event)
    return replace(history, jobs={**history.jobs, key: job})


def _started(key: str, recorded: Recorded, event: events.JobStarted) -> JobEntry:
    return JobEntry(
        id=key,
        generation=recorded.generation,
        function=event.function,
        location=event.location,
        endpoint=event.endpoint,
        started=recorded.at,
        input=event.input,
        arguments=event.arguments,
    )


def _ended(job: JobEntry, at: float, event: events.JobEnded) -> JobEntry:
    return replace(
        job,
        ended=at,
        job_id=event.job_id or job.job_id,
        state=event.state,
        delay=event.delay_time,
        execution=event.execution_time,
        worker=event.worker_id,
        cold=event.cold,
        output=event.output,
        stdout=_tail(event.stdout) or job.stdout,
        error=None if event.error is None else _tail(event.error),
        traceback=None if event.traceback is None else _tail(event.traceback),
    )


def _latest(jobs: dict[str, JobEntry]) -> Mapping[str, JobEntry]:
    """At most JOBS of them: those that ended go first, then the oldest."""
    surplus = len(jobs) - JOBS
    if surplus > 0:
        by_worth = sorted(jobs.values(), key=lambda job: (job.ended is None, job.started))
        for job in by_worth[:surplus]:
            del jobs[job.id]
    return jobs


def _ended_line(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"


def _tail(text: str) -> str:
    return text if len(text) <= _TEXT else f"…{text[-_TEXT:]}"
