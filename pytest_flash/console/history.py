"""What happened in a ``flash run`` so far, bounded: pure data, and how an event changes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .. import events
from ..events import Event
from ..progress import EndpointProgress, Job, endpoints_after

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
    """A job of the code of this generation; times are Unix times, in seconds."""

    generation: int
    job: Job

    @property
    def id(self) -> str:
        """What tells it from every other one of the run: calls are numbered by generation."""
        return f"{self.generation}-{self.job.call}"


@dataclass(frozen=True)
class Note:
    """Something that a person should know, and when it was said."""

    at: float
    text: str


@dataclass(frozen=True)
class History:
    """The latest jobs by id, oldest first, and how app and endpoints (by name) stand.

    ``broken`` says why the app's code could not be loaded, while it cannot; ``reloading`` which
    files changed, until their code serves.
    """

    target: events.TargetChosen | None = None
    serving: events.Serving | None = None
    reloading: tuple[str, ...] | None = None
    broken: str | None = None
    endpoints: Mapping[str, EndpointProgress] = field(default_factory=dict)
    jobs: Mapping[str, JobEntry] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    @property
    def endpoint_ids(self) -> Mapping[str, str]:
        """The ids of the endpoints that exist, by their names."""
        return {name: each.id for name, each in self.endpoints.items() if each.id is not None}


def after(history: History, recorded: Recorded) -> History:
    """``history`` with one more event."""
    endpoints = endpoints_after(history.endpoints, recorded.event, recorded.at)
    if endpoints is not history.endpoints:
        history = replace(history, endpoints=endpoints)
    event = recorded.event
    if isinstance(event, events.JobStarted):
        entry = JobEntry(recorded.generation, Job.begun(event, recorded.at))
        return replace(history, jobs=_latest({**history.jobs, entry.id: entry}))
    if isinstance(event, events.JobNamed | events.JobOutput | events.JobEnded):
        known = history.jobs.get(f"{recorded.generation}-{event.call}")
        if known is None:
            return history  # Forgotten meanwhile: there were too many.
        entry = replace(known, job=_bounded(known.job.after(event, recorded.at)))
        return replace(history, jobs={**history.jobs, entry.id: entry})
    return _with_app(history, recorded.at, event)


def _with_app(history: History, at: float, event: Event) -> History:
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
        notes = (*history.notes, Note(at, event.text))
        return replace(history, notes=notes[-_NOTICES:])
    return history


def _latest(jobs: dict[str, JobEntry]) -> Mapping[str, JobEntry]:
    """At most JOBS of them: those that ended go first, then the oldest."""
    surplus = len(jobs) - JOBS
    if surplus > 0:
        by_worth = sorted(jobs.values(), key=lambda each: (not each.job.ended, each.job.started))
        for entry in by_worth[:surplus]:
            del jobs[entry.id]
    return jobs


def _bounded(job: Job) -> Job:
    error, traceback = (
        None if each is None else _tail(each) for each in (job.error, job.traceback)
    )
    return replace(job, stdout=_tail(job.stdout), error=error, traceback=traceback)


def _tail(text: str) -> str:
    return text if len(text) <= _TEXT else f"…{text[-_TEXT:]}"
