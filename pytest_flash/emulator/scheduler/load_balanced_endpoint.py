"""A load-balancing endpoint at work: each request goes to a healthy worker, or waits for one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..account.health_checks import Health, check_health, health_path
from .balanced_requests import Requests, Visit
from .endpoint import EmulatedEndpoint
from .worker_state import WorkerState

if TYPE_CHECKING:
    from ..account.endpoint_records import EndpointRecord
    from .context import SchedulerContext
    from .worker import EmulatedWorker

_STARTING, _UNWELL = 0.02, 0.2
_LINES_SHOWN = 10


class BalancedEndpoint(EmulatedEndpoint):
    """An endpoint whose workers are HTTP servers."""

    def __init__(
        self, record: EndpointRecord, context: SchedulerContext, scope: str | None = None
    ) -> None:
        self._requests = Requests()
        super().__init__(record, self._requests, context, scope)
        self._healthy: set[str] = set()
        self._monitors: dict[str, asyncio.Task[None]] = {}

    def unfinished(self) -> Sequence[Visit]:
        """See EmulatedEndpoint."""
        return self._requests.unfinished()

    def admit(self, scope: str | None, preferred: str | None = None) -> Visit:
        """A request has come; ``dismiss`` must follow.

        It goes to the ``preferred`` worker, if that can serve it now.
        """
        visit = self._requests.enter(scope)
        self._pool.demand()
        # Where others wait, no worker can serve any.
        if preferred is not None and (worker := self.able(preferred)) is not None:
            self._assign_next(worker)
        self._settle()
        return visit

    def able(self, worker_id: str) -> EmulatedWorker | None:
        """The worker of this id, if it can serve a request now."""
        worker = self._pool.worker(worker_id)
        if worker is None or worker.id not in self._healthy or not self._pool.can_take(worker):
            return None
        return worker

    def dismiss(self, visit: Visit) -> None:
        """A request has been answered, or given up."""
        worker = self._requests.leave(visit)
        if worker is not None:
            self._pool.release(worker, visit.id)
            if self._worker_faults.kill("after"):
                worker.kill()
        self._settle()

    def absence(self) -> str:
        """Why there is no worker to serve a request, as far as one that starts can tell."""
        for worker in self._pool.active():
            ports = self._context.launcher.ports.of(worker.id)
            if worker.id in self._healthy or worker.process is None or ports is None:
                continue
            path = health_path(self._record.container.env)
            lines = "\n".join(worker.process.last_lines(_LINES_SHOWN))
            return (
                f"worker {worker.id} has not answered its health check with 200: GET {path} on "
                f"127.0.0.1 and port {ports.health}, which is PORT_HEALTH of its environment"
                + (f"; its last output:\n{lines}" if lines else "")
            )
        return ""

    def unhealthy(self, worker: EmulatedWorker, problem: str) -> None:
        """See EmulatedEndpoint."""
        super().unhealthy(worker, problem)
        if worker.process is not None:
            worker.process.terminate()

    def close(self) -> None:
        """See EmulatedEndpoint."""
        for monitor in self._monitors.values():
            monitor.cancel()
        super().close()

    def _settle(self) -> None:
        super()._settle()
        if self._closed:
            return
        for worker in self._pool.active():
            watched = worker.id in self._monitors or worker.problem is not None
            if worker.process is not None and not watched:
                task = self._loop.create_task(self._monitor(worker))
                self._monitors[worker.id] = task
                task.add_done_callback(self._forgetter(worker.id))

    def _forgetter(self, worker_id: str) -> Callable[[asyncio.Task[None]], None]:
        def forget(_: asyncio.Task[None]) -> None:
            self._healthy.discard(worker_id)
            self._monitors.pop(worker_id, None)

        return forget

    def _dispatch(self) -> None:
        while self._requests.pressing and (worker := self._least_busy()) is not None:
            if self._worker_faults.kill("before"):
                worker.advance(WorkerState.SERVING)  # it had started well
                worker.kill()
                continue
            self._assign_next(worker)

    def _assign_next(self, worker: EmulatedWorker) -> None:
        visit = self._requests.assign(worker)
        self._pool.assign(worker, visit)
        self._endanger(worker, [visit])

    def _least_busy(self) -> EmulatedWorker | None:
        able = [worker for worker in self._pool.active() if self.able(worker.id) is not None]
        return min(able, key=lambda worker: len(worker.jobs), default=None)

    async def _monitor(self, worker: EmulatedWorker) -> None:
        """Ask a worker for its health for as long as it is there."""
        timings = self._context.timings
        ports = self._context.launcher.ports.of(worker.id)
        path = health_path(self._record.container.env)
        unwell_since: float | None = None
        while ports is not None and worker.state.is_live and not worker.gone.is_set():
            health = await check_health(ports.health, path, timings.health_timeout)
            if self._is_well(worker, health):
                unwell_since = None
            else:
                unwell_since = unwell_since or self._loop.time()
                if not worker.jobs and self._loop.time() - unwell_since >= timings.unhealthy_grace:
                    self.unhealthy(worker, _complaint(path, health))
            pause = _UNWELL if health.is_unhealthy else _STARTING
            if worker.id in self._healthy:
                pause = timings.health_interval
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(worker.gone.wait(), pause)

    def _is_well(self, worker: EmulatedWorker, health: Health) -> bool:
        """Take note of a health check; False where the worker should not stay as it is."""
        if health.is_healthy:
            if worker.id not in self._healthy:
                self._healthy.add(worker.id)
                self._pool.polled(worker, busy=True)
                self._settle()
            return True
        if health.status is None and worker.jobs:
            return True  # a function that does not yield holds up everything else in its worker
        self._healthy.discard(worker.id)
        # Before it was healthy for the first time there is a limit for starting.
        return worker.state.is_starting and not health.is_unhealthy


def _complaint(path: str, health: Health) -> str:
    if health.status is None:
        return f"did not answer its health check, GET {path}"
    return f"answered its health check, GET {path}, with {health.status}"
