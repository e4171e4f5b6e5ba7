"""One worker of a pool."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from ...clock import utc_now
from ...process.exit_status import how_it_ended
from ..account.endpoint_views import WorkerView
from ..processes.worker_logs import WorkerLog
from ..processes.worker_process import WorkerProcess
from .worker_state import WorkerState

if TYPE_CHECKING:
    from ...wire import documents
    from ..queue.jobs import QueuedJob

_LINES_SHOWN = 20
_STATUSES: dict[WorkerState, documents.WorkerStatus] = {
    WorkerState.STARTING: "INITIALIZING",
    WorkerState.THROTTLED: "THROTTLED",
    WorkerState.FAILED_START: "UNHEALTHY",
    WorkerState.FAILED: "UNHEALTHY",
}


@dataclass(eq=False)
class EmulatedWorker:
    """One worker, from the decision to start it until its process is gone.

    ``state`` changes in ``advance``; ``problem`` is why it failed. ``jobs`` are those it has been
    given and not yet returned.
    ``orders`` are jobs that it is still to be sent an order to stop for, ``orders_sent`` counts
    the orders sent for each job, and ``acknowledged`` are the jobs whose orders it has carried
    out; ``listeners`` counts the job-stop requests that wait.
    ``scope`` is that of the work it was given last; ``idle_since`` is None while it has work.
    ``polls`` are job-take requests that wait with no job; ``missed`` counts the pings it should
    have sent since its last one.
    """

    id: str
    version: int
    image: str
    log: WorkerLog
    process: WorkerProcess | None = None
    started: float | None = None
    started_at: datetime | None = None
    state: WorkerState = WorkerState.STARTING
    problem: str | None = None
    jobs: set[str] = field(default_factory=set)
    scope: str | None = None
    idle_since: float | None = None
    orders: list[str] = field(default_factory=list)
    orders_sent: Counter[str] = field(default_factory=Counter)
    acknowledged: set[str] = field(default_factory=set)
    listeners: int = 0
    polls: set[asyncio.Future[list[QueuedJob]]] = field(default_factory=set)
    missed: int = 0
    ordered: asyncio.Event = field(default_factory=asyncio.Event)
    dismissed: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    _timer: asyncio.TimerHandle | None = None
    _ping_timer: asyncio.TimerHandle | None = None

    @property
    def status(self) -> documents.WorkerStatus:
        """REST v2 ``WorkerStatus``."""
        named = _STATUSES.get(self.state)
        return named or ("RUNNING" if self.jobs else "IDLE")

    @property
    def is_stopping(self) -> bool:
        """Whether it was ordered to end."""
        return self.state is WorkerState.STOPPING

    def advance(self, to: WorkerState) -> bool:
        """Change its state, if the present one leads there: what is reported of a worker may
        cross what is decided about it. Whether it did."""
        leads = self.state.leads_to(to)
        if leads:
            self.state = to
        return leads

    def fail(self, problem: str) -> None:
        """It is of no use any more; ``problem`` completes "the worker …"."""
        self.problem = problem
        if not self.advance(WorkerState.FAILED):
            self.advance(WorkerState.FAILED_START)

    def attach(self, process: WorkerProcess, now: float) -> None:
        """The process has been started."""
        self.process, self.started, self.started_at = process, now, utc_now()

    def dismiss(self) -> None:
        """Order it to end: whatever it waits for is answered, so that it can do so."""
        self.advance(WorkerState.STOPPING)
        self.dismissed.set()
        self.set_timer(None)
        self.set_ping_timer(None)
        self.ordered.set()
        for poll in self.polls:
            if not poll.done():
                poll.set_result([])

    def set_timer(self, timer: asyncio.TimerHandle | None) -> None:
        """Replace what the worker's one timer waits for: its start, its idling or its end."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = timer

    def set_ping_timer(self, timer: asyncio.TimerHandle | None) -> None:
        """Replace what counts the pings that do not come."""
        if self._ping_timer is not None:
            self._ping_timer.cancel()
        self._ping_timer = timer

    @property
    def sends_pings(self) -> bool:
        """Whether its pings are waited for: it has sent one."""
        return self._ping_timer is not None

    def kill(self) -> None:
        """End its process at once, as from outside."""
        if self.process is not None:
            self.process.kill()

    def kill_at(self, job_id: str) -> None:
        """As ``kill``, if it still runs this job."""
        if job_id in self.jobs:
            self.kill()

    def order_stop(self, job_id: str) -> None:
        """Order the worker, through job-stop, to give up a job."""
        self.orders.append(job_id)
        self.ordered.set()

    def take_orders(self) -> list[str]:
        """The jobs to stop that the worker has not been sent yet; they count as sent now."""
        orders, self.orders = self.orders, []
        self.orders_sent.update(orders)
        self.ordered.clear()
        return orders

    def listen(self) -> None:
        """It asks for orders, so that it has carried out those that it got.

        An order counts when it was given twice: the official worker ignores the first where it
        has taken the job and not yet begun it (runpod worker SDK 1.12.0).
        """
        self.acknowledged |= {job_id for job_id, times in self.orders_sent.items() if times > 1}

    def forget(self, job_id: str) -> None:
        """It is through with a job."""
        self.jobs.discard(job_id)
        self.acknowledged.discard(job_id)
        self.orders_sent.pop(job_id, None)
        if job_id in self.orders:
            self.orders.remove(job_id)

    def view(self, now: float) -> WorkerView:
        """The worker as the management plane shows it."""
        return WorkerView(
            id=self.id,
            status=self.status,
            version=self.version,
            image=self.image,
            started_at=self.started_at,
            uptime=None if self.started is None else now - self.started,
        )

    def death(self, code: int, when: str) -> str:
        """What to tell whoever relied on a worker that ended with ``code``."""
        lines = self.process.last_lines(_LINES_SHOWN) if self.process is not None else []
        reason = f" (it {self.problem})" if self.problem else ""
        text = f"worker {self.id} {how_it_ended(code)} {when}{reason}"
        return f"{text}; its last output:\n" + "\n".join(lines) if lines else text
