"""The requests at a load-balancing endpoint: which wait, and which worker serves which."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .worker import EmulatedWorker


class LostError(Exception):
    """A request that its worker, or the lack of one, has ended; the text says how."""


@dataclass(eq=False)
class Visit:
    """One request at the endpoint; ``Work``.

    ``worker`` gets who serves it, or raises LostError when nobody will; ``lost`` gets one when that
    worker ends too early.
    """

    id: str
    scope: str | None
    submitted_at: float
    worker: asyncio.Future[EmulatedWorker]
    lost: asyncio.Future[LostError]
    taken_at: float | None = None
    worker_id: str = ""


class Requests:
    """Every request that has not been answered, in first-in first-out order; a ``Workload``.

    Lives on one event loop. Runpod docs, load-balancing/overview: nothing is retried.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, Visit] = {}
        self._running: dict[str, Visit] = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._running)

    @property
    def pressing(self) -> int:
        """See Workload."""
        return len(self._waiting)

    @property
    def in_progress(self) -> int:
        """See Workload."""
        return len(self._running)

    def unfinished(self) -> list[Visit]:
        """Those that have not been answered, those that are served first."""
        return [*self._running.values(), *self._waiting.values()]

    def enter(self, scope: str | None) -> Visit:
        """A request has come; ``leave`` must follow."""
        worker: asyncio.Future[EmulatedWorker] = self._loop.create_future()
        lost: asyncio.Future[LostError] = self._loop.create_future()
        visit = Visit(str(uuid.uuid4()), scope, self._loop.time(), worker, lost)
        self._waiting[visit.id] = visit
        return visit

    def assign(self, worker: EmulatedWorker) -> Visit:
        """Have the request that has waited longest served by ``worker``. There must be one."""
        visit = self._waiting.pop(next(iter(self._waiting)))
        visit.worker_id, visit.taken_at = worker.id, self._loop.time()
        self._running[visit.id] = visit
        visit.worker.set_result(worker)
        return visit

    def leave(self, visit: Visit) -> EmulatedWorker | None:
        """A request has been answered, or given up; returns who was to serve it."""
        self._forget(visit)
        visit.lost.cancel()
        served = visit.worker.done() and not visit.worker.cancelled()
        if served and not visit.worker.exception():
            return visit.worker.result()
        visit.worker.cancel()
        return None

    def runs(self, work_id: str, worker_id: str) -> bool:
        """See Workload."""
        visit = self._running.get(work_id)
        return visit is not None and visit.worker_id == worker_id

    def no_result(self, work_id: str, worker_id: str, error: str) -> None:
        """See Workload."""
        if self.runs(work_id, worker_id):
            self._lose(self._running[work_id], error)

    worker_died = no_result

    def advance(self, scope: str, seconds: float) -> None:
        """See Workload. The time limit of a request is its relay's, and is not moved."""
        for visit in self.unfinished():
            if visit.scope == scope:
                visit.submitted_at -= seconds
                if visit.taken_at is not None:
                    visit.taken_at -= seconds

    def fail_waiting(self, error: str) -> None:
        """See Workload."""
        for visit in list(self._waiting.values()):
            self._lose(visit, error)

    def close(self) -> None:
        """See Workload."""
        for visit in self.unfinished():
            self._lose(visit, "the endpoint was deleted, or the emulator stopped")

    def _lose(self, visit: Visit, text: str) -> None:
        self._forget(visit)
        if not visit.worker.done():
            visit.worker.set_exception(LostError(text))
        elif not visit.lost.done():
            visit.lost.set_result(LostError(text))

    def _forget(self, visit: Visit) -> None:
        self._waiting.pop(visit.id, None)
        self._running.pop(visit.id, None)
