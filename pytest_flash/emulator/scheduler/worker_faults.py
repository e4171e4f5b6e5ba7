"""What faults do to the workers and jobs of one endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..faults.fault_types import (
    ColdStart,
    DropResult,
    DuplicateResult,
    FailedStart,
    KillWorker,
    Moment,
    NoCapacity,
    wait_for_any,
)
from .worker_state import WorkerState

if TYPE_CHECKING:
    from ..faults.fault_types import Faults
    from .worker import EmulatedWorker


class StartFaultError(Exception):
    """A worker's start fails because a fault says so; the text is the fault's reason."""


class WorkerFaults:
    """Asked wherever a worker starts, takes a job or gives a result.

    Faults of workers occur to the workers of ``scope`` (None: those that no scope has for
    itself), faults of results to the jobs of their own scope.
    """

    def __init__(self, faults: Faults, endpoint_id: str, scope: str | None) -> None:
        self._faults = faults
        self._endpoint_id = endpoint_id
        self._scope = scope

    async def start(self, worker: EmulatedWorker) -> None:
        """Hold up a start for as long as faults say, or until the worker is dismissed.

        Raises StartFaultError when it is to fail.
        """
        if not self._faults.any:
            return
        cold = self._faults.take(ColdStart, self._scope, self._endpoint_id)
        if cold is not None:
            await wait_for_any(worker.dismissed, cold.removed, seconds=cold.effect.seconds)
        full = self._faults.take(NoCapacity, self._scope, self._endpoint_id)
        if full is not None:
            worker.advance(WorkerState.THROTTLED)
            await wait_for_any(worker.dismissed, full.removed)
            worker.advance(WorkerState.STARTING)
        failed = self._faults.take(FailedStart, self._scope, self._endpoint_id)
        if failed is not None and not worker.is_stopping:
            raise StartFaultError(failed.effect.reason)

    def kill(self, moment: Moment) -> KillWorker | None:
        """The fault that kills a worker at this moment, if any."""
        if not self._faults.any:
            return None
        fault = self._faults.take(
            KillWorker, self._scope, self._endpoint_id, lambda effect: effect.moment == moment
        )
        return None if fault is None else fault.effect

    def deliveries(self, job_scope: str | None) -> int:
        """How often a job's result arrives: once, unless a fault drops or duplicates it."""
        if not self._faults.any:
            return 1
        if self._faults.take(DropResult, job_scope, self._endpoint_id):
            return 0
        return 2 if self._faults.take(DuplicateResult, job_scope, self._endpoint_id) else 1
