"""The history as the page gets it: JSON values, with long texts only where they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..events import EndpointFound
from ..progress import Job
from .history import History, JobEntry

if TYPE_CHECKING:
    from ..runpod.models import Workers

_LINE = 160


def overview(history: History, workers: Mapping[str, Workers]) -> dict[str, Any]:
    """App, target and endpoints; ``workers`` are by endpoint name, as far as they are known."""
    serving, target = history.serving, history.target
    return {
        "app": serving and serving.app,
        "url": serving and serving.url,
        "generation": serving and serving.generation,
        "reloading": history.reloading,
        "broken": history.broken,
        "target": target and {"kind": target.kind, "reason": target.reason},
        "endpoints": [_endpoint(each, history, workers) for each in serving.endpoints]
        if serving
        else [],
        "notes": [{"at": note.at, "text": note.text} for note in history.notes],
    }


def row(entry: JobEntry) -> dict[str, Any]:
    """What the list of jobs shows of one."""
    job = entry.job
    return {
        "id": entry.id,
        "function": job.function,
        "endpoint": job.endpoint,
        "generation": entry.generation,
        "started": job.started,
        "ended": job.finished,
        "status": _status(job),
        "delay": job.delay_time,
        "execution": job.execution_time,
        "cold": job.cold,
        "input": _first_line(job.input or ""),
        "outcome": _outcome(job),
    }


def details(entry: JobEntry) -> dict[str, Any]:
    """Everything about one job."""
    job = entry.job
    return {
        **row(entry),
        "location": job.location,
        "jobId": job.id,
        "worker": job.worker_id,
        "input": job.input,
        "output": job.output,
        "error": job.error,
        "traceback": job.traceback,
        "logs": job.stdout,
        "repeatable": job.arguments is not None,
    }


def _status(job: Job) -> str:
    if not job.ended:
        return "RUNNING"
    return job.status or "NO_ANSWER"


def _outcome(job: Job) -> str:
    if job.error is None:
        return _first_line(job.output or "")
    lines = [line for line in job.error.splitlines() if line.strip()]
    return _first_line(lines[-1] if lines else "")


def _first_line(text: str) -> str:
    line = text.partition("\n")[0]
    return line if len(line) <= _LINE else f"{line[: _LINE - 1]}…"


def _endpoint(
    found: EndpointFound, history: History, workers: Mapping[str, Workers]
) -> dict[str, Any]:
    known = workers.get(found.name)
    return {
        "name": found.name,
        "id": history.endpoint_ids.get(found.name),
        "hardware": found.hardware,
        "state": _state(found, history, known),
        "functions": [
            {"name": each.name, "location": each.location, "dependencies": each.dependencies}
            for each in found.functions
        ],
        "configuration": found.configuration,
        "workers": None
        if known is None
        else [
            {
                "id": each.id,
                "status": each.status,
                "stale": each.is_stale,
                "gpu": each.gpu_type_id,
                "dataCenter": each.data_center_id,
            }
            for each in known.workers
        ],
    }


def _state(found: EndpointFound, history: History, workers: Workers | None) -> str:
    endpoint = history.endpoints.get(found.name)
    if endpoint is not None and endpoint.pending is not None:
        return endpoint.pending.action
    if endpoint is None or endpoint.id is None:
        return "provisioned" if found.exists else "lazy"
    if workers is None:
        return "provisioned"
    if workers.summary.running or workers.summary.idle:
        return "warm"
    return "starting" if workers.summary.initializing else "cold"
