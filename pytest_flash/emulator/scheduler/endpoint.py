"""One endpoint at work: its workers, and what they are for."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..server.daemon_threads import in_thread
from .worker_faults import WorkerFaults
from .worker_pool import WorkerPool

if TYPE_CHECKING:
    from ..account.endpoint_records import EndpointRecord
    from ..account.endpoint_views import WorkerView
    from ..processes.image_programs import Supply
    from ..processes.worker_logs import WorkerLog
    from .context import SchedulerContext
    from .worker import EmulatedWorker
    from .workload import Work, Workload


class EmulatedEndpoint(ABC):
    """One endpoint at work, once ``begin`` was called. Lives on one event loop; nothing here
    blocks it.

    ``scope`` is the one whose ``workload`` alone comes here, if faults keep it apart.
    """

    def __init__(
        self,
        record: EndpointRecord,
        workload: Workload,
        context: SchedulerContext,
        scope: str | None,
    ) -> None:
        self._record = record
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._workload = workload
        self._worker_faults = WorkerFaults(context.faults, record.id, scope)
        self._pool = WorkerPool(record, workload, context, self._worker_faults, self._settle)
        self._closed = False

    def begin(self) -> None:
        """Start the workers that it should have at least."""
        self._settle()

    @property
    def record(self) -> EndpointRecord:
        """Its configuration."""
        return self._record

    def update(self, record: EndpointRecord) -> None:
        """Follow a changed configuration; a new version replaces idle workers at once."""
        self._record = record
        self._pool.update(record)
        self._settle()

    def workers(self) -> list[WorkerView]:
        """Its active workers."""
        return self._pool.views()

    def log(self, worker_id: str) -> WorkerLog | None:
        """The log of a worker that is, or was until lately."""
        return self._pool.log(worker_id)

    def members(self) -> list[EmulatedWorker]:
        """Its active workers, as they are."""
        return self._pool.active()

    @abstractmethod
    def unfinished(self) -> Sequence[Work]:
        """What waits and runs here."""

    @property
    def is_spent(self) -> bool:
        """Whether nothing is left here, not even a result that somebody may ask for."""
        return not len(self._workload) and not self._pool.active()

    def advance(self, scope: str, seconds: float) -> None:
        """Let ``seconds`` pass at once for what was submitted in ``scope``, and for workers that
        served it last."""
        self._workload.advance(scope, seconds)
        if any(work.scope == scope for work in self.unfinished()):
            self._pool.advance_starts(seconds)
        self._pool.advance_idling(scope, seconds)
        self._settle()

    def close(self) -> None:
        """End all that waits and runs, kill every worker, answer everyone who waits."""
        self._closed = True
        self._pool.close()
        self._workload.close()

    async def gone(self) -> None:
        """Wait until no worker process is left, after ``close``."""
        await self._pool.gone()

    # What workers do

    def worker(self, worker_id: str) -> EmulatedWorker | None:
        """The worker of this id that is not stopping."""
        return self._pool.worker(worker_id)

    def unhealthy(self, worker: EmulatedWorker, problem: str) -> None:
        """A worker said that it is of no use; ``problem`` completes "the worker …"."""
        self._pool.unhealthy(worker, problem)
        self._settle()

    def pinged(self, worker: EmulatedWorker) -> None:
        """A worker said that it lives."""
        self._pool.pinged(worker)

    async def supply(self, dependencies: Sequence[str]) -> Supply:
        """Make ``dependencies`` importable for a worker. Raises SupplyError."""
        source = self._context.programs
        return await in_thread(partial(source.supply, self._record, dependencies))

    # What holds it together

    def _settle(self) -> None:
        """Bring work and workers together, and workers and load; after every change."""
        if self._closed:
            return
        self._dispatch()
        self._pool.reconcile()

    @abstractmethod
    def _dispatch(self) -> None:
        """Give what waits to workers that can take it."""

    def _endanger(self, worker: EmulatedWorker, given: Sequence[Work]) -> None:
        """Have a worker killed while it runs one of ``given``, if there is a fault for it."""
        for work in given:
            if fault := self._worker_faults.kill("during"):
                self._loop.call_later(fault.seconds, worker.kill_at, work.id)
