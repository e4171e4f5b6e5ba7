"""Where everything that is reported arrives: it is shown, and kept for the console."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

from ...clock import wall_time
from ...console.history import History, Recorded
from ...console.journal import Journal
from ...console.token import ConsoleAccess
from ...events import (
    Event,
    EventSink,
    JobEnded,
    JobNamed,
    JobOutput,
    JobStarted,
    TargetChosen,
)

Reader = Callable[[Recorded], None]


@dataclass(frozen=True)
class ConsoleAssignment:
    """What a serving process needs to serve the console; the rest it is told as it happens."""

    access: ConsoleAccess
    history: History
    live: bool


class EventHub:
    """Passes events on to ``on_event``, and to the process that serves the console.

    The history is kept here, so that it outlives the serving processes. Without a ``access`` there
    is no console, and nothing is kept.
    """

    def __init__(self, on_event: EventSink, access: ConsoleAccess | None) -> None:
        self._live = False
        self._on_event = on_event
        self._access = access
        self._journal = Journal()
        self._reader: Reader | None = None
        self._workers: set[tuple[str, str]] = set()
        self._counter = itertools.count(1)
        self._calls: dict[tuple[int, int], int] = {}

    def hide(self, secret: str) -> None:
        """Keep no text with ``secret`` in it."""
        self._journal.hide(secret)

    def tell(self, event: Event, generation: int = 0) -> None:
        """Something happened; in a serving process, of that generation, unless it is 0."""
        event = self._numbered(event, generation)
        if isinstance(event, JobEnded):
            event = self._told_apart(event)
        self._on_event(event)
        if isinstance(event, TargetChosen):
            self._live = event.kind == "live"
        if self._access is None:
            return
        recorded = self._journal.record(Recorded(generation, wall_time(), event))
        if self._reader is not None:
            self._reader(recorded)

    def _numbered(self, event: Event, generation: int) -> Event:
        """Each generation counts its calls anew; here they go on."""
        if not isinstance(event, JobStarted | JobNamed | JobOutput | JobEnded):
            return event
        key = generation, event.call
        if isinstance(event, JobStarted):
            self._calls[key] = next(self._counter)
        number = self._calls.get(key, event.call)
        if isinstance(event, JobEnded):
            self._calls.pop(key, None)
        return replace(event, call=number)

    def _told_apart(self, event: JobEnded) -> JobEnded:
        """A worker outlives a generation, and is cold to ``flash run`` but once."""
        worker = (event.endpoint_id, event.worker_id or "")
        met = worker in self._workers
        self._workers.add(worker)
        return replace(event, cold=event.cold and not met)

    def console(self, reader: Reader) -> ConsoleAssignment | None:
        """For the next process: everything so far. ``reader`` is told the rest."""
        if self._access is None:
            return None
        self._reader = reader
        return ConsoleAssignment(self._access, self._journal.history, self._live)
