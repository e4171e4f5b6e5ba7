"""What an emulator's endpoints are doing, for whoever asks why a call takes so long."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..queue.jobs import QueuedJob
    from .endpoint import EmulatedEndpoint
    from .worker import EmulatedWorker

_LINES_SHOWN = 20


def endpoint_report(parts: Iterable[EmulatedEndpoint]) -> dict[str, Any]:
    """One endpoint, given with its lanes: its workers, and its jobs that have not ended."""
    every = list(parts)
    record = every[0].record
    return {
        "id": record.id,
        "name": record.name,
        "workers": [_worker(worker) for part in every for worker in part.members()],
        "jobs": [_job(job) for part in every for job in part.unfinished()],
    }


def _worker(worker: EmulatedWorker) -> dict[str, Any]:
    process = worker.process
    return {
        "id": worker.id,
        "status": worker.status,
        "pid": None if process is None else process.pid,
        "problem": worker.problem,
        "jobs": sorted(worker.jobs),
        "log": [] if process is None else process.last_lines(_LINES_SHOWN),
    }


def _job(job: QueuedJob) -> dict[str, Any]:
    """Times are seconds: since the submission, and since a worker took the job."""
    now = asyncio.get_running_loop().time()
    return {
        "id": job.id,
        "state": job.state.value,
        "age": now - job.submitted_at,
        "running": None if job.taken_at is None else now - job.taken_at,
        "worker": job.worker_id or None,
        "scope": job.scope,
    }
