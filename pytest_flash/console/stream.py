"""The history as server-sent events: all of it first, then what changes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from .history import History
from .journal import Journal
from .views import overview, row
from .worker_watch import WorkerWatch

# Changes that come close together travel together.
_GATHER = 0.05
# Milliseconds until a browser that lost the stream, as at each reload, asks for it again.
_RETRY = 250


class Streams:
    """Every stream that is open. They end when ``close`` is called, from any thread."""

    def __init__(self, journal: Journal, workers: WorkerWatch) -> None:
        self._journal = journal
        self._workers = workers
        self._wakers: set[Callable[[], None]] = set()
        self._closed = False

    def close(self) -> None:
        """End the streams, so that the server that carries them can."""
        self._closed = True
        for wake in tuple(self._wakers):
            wake()

    async def messages(self) -> AsyncIterator[str]:
        """One browser's stream."""
        yield f"retry: {_RETRY}\n\n"
        seen, shown = History(), ""
        with self._changes() as changed:
            while not self._closed:
                changed.clear()
                self._workers.refresh(self._journal.history.endpoint_ids, changed.set)
                history = self._journal.history
                text = json.dumps(overview(history, self._workers.known))
                if text != shown:
                    yield _message("overview", text)
                    shown = text
                if seen.jobs is not history.jobs:
                    yield _message("jobs", json.dumps(_changed(seen, history)))
                seen = history
                await _wait(changed, self._workers.interval)
                await asyncio.sleep(_GATHER)

    @contextlib.contextmanager
    def _changes(self) -> Iterator[asyncio.Event]:
        """Set, in this event loop, after each change."""
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # The loop has ended, and the stream with it.
                loop.call_soon_threadsafe(changed.set)

        self._wakers.add(wake)
        try:
            with self._journal.read_by(wake):
                yield changed
        finally:
            self._wakers.discard(wake)


def _changed(seen: History, history: History) -> dict[str, Any]:
    """Jobs that are new or different, and the ids of all, since the oldest are forgotten."""
    different = [job for key, job in history.jobs.items() if seen.jobs.get(key) is not job]
    return {"rows": [row(job) for job in different], "ids": list(history.jobs)}


async def _wait(changed: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(changed.wait(), seconds)


def _message(event: str, data: str) -> str:
    return f"event: {event}\ndata: {data}\n\n"
