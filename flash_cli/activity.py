"""What the terminal remembers of what it was told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pytest_flash import events
from pytest_flash.clock import monotonic
from pytest_flash.events import Event


@dataclass(frozen=True)
class Activity:
    """Something that goes on, in words, and when it began (seconds of the board's clock)."""

    text: str
    began: float


class Board:
    """How endpoints stand, and what is going on. Give it every event, in order."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._states: dict[str, str] = {}
        self._needs: dict[str, tuple[str, ...]] = {}
        self._activities: dict[object, Activity] = {}
        self._served = 0

    @property
    def activities(self) -> tuple[Activity, ...]:
        """What goes on, the longest first."""
        return tuple(self._activities.values())

    @property
    def begins(self) -> bool:
        """Whether the app has just been served for the first time."""
        return self._served == 1

    def state(self, endpoint: events.EndpointFound) -> str:
        """Lazy, provisioned, cold or warm, as far as it is known."""
        known = self._states.get(endpoint.name)
        return known or ("provisioned" if endpoint.exists else "lazy")

    def update(self, event: Event) -> None:
        """Take note of one event."""
        if isinstance(event, events.Serving):
            self._served += 1
        if isinstance(event, events.EndpointPending):
            self._begin(event.name, f"{event.action} {event.name}")
        elif isinstance(event, events.EndpointReady):
            self._activities.pop(event.name, None)
            new = event.action in ("created", "recreated")
            self._states[event.name] = "cold" if new else "provisioned"
        elif isinstance(event, events.EndpointRemoved):
            self._states.pop(event.name, None)
        elif isinstance(event, events.JobStarted):
            self._begin(event.call, self._doing(event))
        elif isinstance(event, events.JobEnded):
            self._activities.pop(event.call, None)
            if event.worker_id is not None:
                self._states[event.endpoint] = "warm"
        elif isinstance(event, events.Serving):
            self._activities.clear()  # Calls of the new code are numbered anew.
            self._needs = {
                function.location: function.dependencies
                for endpoint in event.endpoints
                for function in endpoint.functions
            }
        elif isinstance(event, events.AppBroken | events.ServerEnded):
            self._activities.clear()  # Calls of code that is gone may never be told of again.

    def _doing(self, event: events.JobStarted) -> str:
        if self._states.get(event.endpoint) == "warm":
            return f"{event.function} on {event.endpoint}"
        needs = ", ".join(self._needs.get(event.location, ()))
        return f"cold start of {event.endpoint}{f' with {needs}' if needs else ''}"

    def _begin(self, key: object, text: str) -> None:
        self._activities[key] = Activity(text, self._clock())
