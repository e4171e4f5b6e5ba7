"""Jobs that workers are to give up, since they were cancelled or ran for too long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .worker import EmulatedWorker
    from .workload import Workload


class StopOrders:
    """Tells workers to give up jobs, and sees to it that they do. Lives on one event loop.

    After ``grace`` seconds either ``given_up`` is called with the worker and the job's id, or
    ``ignored`` is, but not before the worker has no other job: those must not suffer.
    """

    def __init__(
        self,
        workload: Workload,
        grace: float,
        *,
        given_up: Callable[[EmulatedWorker, str], None],
        ignored: Callable[[EmulatedWorker, str], None],
    ) -> None:
        self._workload = workload
        self._grace = grace
        self._given_up = given_up
        self._ignored = ignored
        self._loop = asyncio.get_running_loop()

    def runs_others(self, worker: EmulatedWorker) -> bool:
        """Whether a worker has a job that somebody waits for."""
        return any(self._workload.runs(job_id, worker.id) for job_id in worker.jobs)

    def give(self, worker: EmulatedWorker, job_id: str) -> None:
        """Report to a worker, through job-stop, that a job has ended."""
        worker.order_stop(job_id)
        self._loop.call_later(self._grace / 2, self._repeat, worker, job_id)
        self._loop.call_later(self._grace, self._insist, worker, job_id)

    def _repeat(self, worker: EmulatedWorker, job_id: str) -> None:
        if job_id in worker.jobs:
            worker.order_stop(job_id)

    def _insist(self, worker: EmulatedWorker, job_id: str) -> None:
        if job_id not in worker.jobs or worker.is_stopping:
            return
        if job_id in worker.acknowledged:
            self._given_up(worker, job_id)
        elif self.runs_others(worker):
            self._loop.call_later(self._grace, self._insist, worker, job_id)
        else:
            self._ignored(worker, job_id)
