"""What the terminal remembers of what it was told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from pytest_flash import events
from pytest_flash.clock import monotonic
from pytest_flash.events import Event
from pytest_flash.progress import EndpointProgress, Job, endpoints_after


@dataclass(frozen=True)
class Activity:
    """Something that goes on, in words, when it began (seconds of the board's clock), and how
    many ``others`` there are."""

    text: str
    began: float
    others: int = 0


class Board:
    """How endpoints stand, and what is going on. Give it every event, in order."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._endpoints: Mapping[str, EndpointProgress] = {}
        self._jobs: dict[int, Job] = {}
        self._needs: dict[str, tuple[str, ...]] = {}
        self._served = 0

    @property
    def longest(self) -> Activity | None:
        """What goes on for the longest time; None where nothing does. From any thread."""
        jobs = list(self._jobs.values())
        found = [
            Activity(f"{each.pending.action} {each.name}", each.since)
            for each in self._endpoints.values()
            if each.pending is not None
        ]
        others = len(found) + len(jobs) - 1
        found += [Activity(self._doing(job), job.started) for job in jobs[:1]]
        if not found:
            return None
        return replace(min(found, key=lambda each: each.began), others=others)

    @property
    def begins(self) -> bool:
        """Whether the app has just been served for the first time."""
        return self._served == 1

    def state(self, endpoint: events.EndpointFound) -> str:
        """Lazy, provisioned, cold or warm, as far as it is known."""
        known = self._endpoints.get(endpoint.name)
        if known is None or known.id is None:
            return "provisioned" if endpoint.exists else "lazy"
        return "warm" if known.warm else "cold" if known.is_new else "provisioned"

    def update(self, event: Event) -> None:
        """Take note of one event."""
        now = self._clock()
        self._endpoints = endpoints_after(self._endpoints, event, now)
        if isinstance(event, events.JobStarted):
            self._jobs[event.call] = Job.begun(event, now)
        elif isinstance(event, events.JobEnded):
            self._jobs.pop(event.call, None)
        elif isinstance(event, events.Serving | events.AppBroken | events.ServerEnded):
            self._jobs.clear()  # Calls of code that is gone may never be told of again.
        if isinstance(event, events.Serving):
            self._served += 1
            self._needs = {
                function.location: function.dependencies
                for endpoint in event.endpoints
                for function in endpoint.functions
            }

    def _doing(self, job: Job) -> str:
        endpoint = self._endpoints.get(job.endpoint)
        if endpoint is not None and endpoint.warm:
            return f"{job.function} on {job.endpoint}"
        needs = ", ".join(self._needs.get(job.location, ()))
        return f"cold start of {job.endpoint}{f' with {needs}' if needs else ''}"
