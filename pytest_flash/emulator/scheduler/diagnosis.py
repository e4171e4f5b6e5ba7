"""What an emulator's endpoints are doing, for whoever asks why a call takes so long."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .endpoint import EmulatedEndpoint
    from .worker import EmulatedWorker
    from .workload import Work

_LINES_SHOWN = 20


def endpoint_report(parts: Iterable[EmulatedEndpoint]) -> dict[str, Any]:
    """One endpoint, given with its lanes: its workers, and its jobs or requests under way."""
    every = list(parts)
    record = every[0].record
    return {
        "id": record.id,
        "name": record.name,
        "workers": [_worker(worker) for part in every for worker in part.members()],
        "jobs": [_work(work) for part in every for work in part.unfinished()],
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


def _work(work: Work) -> dict[str, Any]:
    """Times are seconds: since the submission, and since a worker took it."""
    now, taken = asyncio.get_running_loop().time(), work.taken_at
    return {
        "id": work.id,
        "state": "IN_QUEUE" if taken is None else "IN_PROGRESS",
        "age": now - work.submitted_at,
        "running": None if taken is None else now - taken,
        "worker": work.worker_id or None,
        "scope": work.scope,
    }
