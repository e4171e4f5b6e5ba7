"""The history as the page gets it: JSON values, with long texts only where they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..events import EndpointFound
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


def row(job: JobEntry) -> dict[str, Any]:
    """What the list of jobs shows of one."""
    return {
        "id": job.id,
        "function": job.function,
        "endpoint": job.endpoint,
        "generation": job.generation,
        "started": job.started,
        "ended": job.ended,
        "status": _status(job),
        "delay": job.delay,
        "execution": job.execution,
        "cold": job.cold,
        "input": _first_line(job.input or ""),
        "outcome": _outcome(job),
    }


def details(job: JobEntry) -> dict[str, Any]:
    """Everything about one job."""
    return {
        **row(job),
        "location": job.location,
        "jobId": job.job_id,
        "worker": job.worker,
        "input": job.input,
        "output": job.output,
        "error": job.error,
        "traceback": job.traceback,
        "logs": job.stdout,
        "repeatable": job.arguments is not None,
    }


def _status(job: JobEntry) -> str:
    if job.ended is None:
        return "RUNNING"
    return job.state or "NO_ANSWER"


def _outcome(job: JobEntry) -> str:
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
    if found.name in history.pending:
        return history.pending[found.name]
    if found.name not in history.endpoint_ids:
        return "provisioned" if found.exists else "lazy"
    if workers is None:
        return "provisioned"
    if workers.summary.running or workers.summary.idle:
        return "warm"
    return "starting" if workers.summary.initializing else "cold"
