"""Endpoints and workers as the management plane shows them (REST v2 schemas)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ...wire.cpus import GB_PER_VCPU
from ...wire.gpus import ACCEPTED_TYPES
from .autoscaling import RequestCount
from .health_checks import health_path

if TYPE_CHECKING:
    from .endpoint_records import EndpointRecord, Gpu

_JOB_OPERATIONS = ("status", "stream", "cancel", "retry")
_STATUSES = ("RUNNING", "IDLE", "INITIALIZING", "THROTTLED", "UNHEALTHY")


@dataclass(frozen=True)
class WorkerView:
    """One worker at one moment; ``status`` is a REST v2 ``WorkerStatus``."""

    id: str
    status: str
    version: int
    image: str
    started_at: datetime | None = None
    uptime: float | None = None


def endpoint_document(record: EndpointRecord, origin: str) -> dict[str, Any]:
    """Schema ``Endpoint``. ``origin`` is the emulator's own, such as ``http://127.0.0.1:4000``."""
    container = record.container
    document: dict[str, Any] = {
        "id": record.id,
        "name": record.name,
        "type": record.type,
        "requestUrls": _request_urls(record, origin),
        "image": container.image,
        "args": container.args,
        "disk": container.disk,
        "ports": list(container.ports),
        "env": dict(container.env),
        "registry": container.registry,
        **_compute(record),
        "workers": {"min": record.workers_min, "max": record.workers_max},
        "scaling": _scaling(record),
        "dataCenterIds": list(record.data_centers),
        "networkVolumes": list(record.volumes),
        "timeout": record.timeout,
        "flashboot": record.flashboot,
        "createdAt": timestamp(record.created_at),
    }
    if record.has_idle_timeout:
        document["workers"]["idleTimeout"] = record.idle_timeout
    return document


def workers_document(record: EndpointRecord, workers: Sequence[WorkerView]) -> dict[str, Any]:
    """Schema ``ListEndpointWorkersResponse``."""
    counts = Counter(worker.status for worker in workers)
    summary = {status.lower(): counts[status] for status in _STATUSES}
    return {
        "workers": [_worker(record, worker) for worker in workers],
        "summary": {**summary, "total": len(workers)},
        "endpointVersion": record.version,
    }


def _worker(record: EndpointRecord, worker: WorkerView) -> dict[str, Any]:
    placed = worker.started_at is not None
    return {
        "id": worker.id,
        "status": worker.status,
        "isStale": worker.version != record.version,
        "version": worker.version,
        "gpuCount": record.gpu.count if record.gpu else 0,
        "image": worker.image,
        "uptimeSeconds": None if worker.uptime is None else int(worker.uptime),
        "gpuTypeId": _gpu_type(record.gpu) if record.gpu and placed else None,
        "dataCenterId": _data_center(record) if placed else None,
        "startedAt": None if worker.started_at is None else timestamp(worker.started_at),
    }


def _gpu_type(gpu: Gpu) -> str:
    """The GPU that a worker is said to have: the first of the first pool."""
    types = (name for pool in gpu.pools for name in sorted(ACCEPTED_TYPES[pool]))
    return next(name for name in types if name not in gpu.excluded)


def _data_center(record: EndpointRecord) -> str:
    """Where a worker is said to be: the first choice, else where both CPUs and GPUs are."""
    return record.data_centers[0] if record.data_centers else "EU-RO-1"


def _compute(record: EndpointRecord) -> dict[str, Any]:
    if record.gpu is None:
        # GraphQL alone orders one vCPU; the least that REST v2 can say is two.
        shown = dict.fromkeys((cpu.id, max(cpu.vcpus, 2)) for cpu in record.cpu)
        return {
            "cpu": [
                {"id": flavor, "vcpuCount": vcpus, "memory": vcpus * GB_PER_VCPU[flavor]}
                for flavor, vcpus in shown
            ]
        }
    gpu: dict[str, Any] = {
        "pools": list(record.gpu.pools),
        "count": record.gpu.count,
        "allowedCudaVersions": list(record.gpu.allowed_cuda),
        "minCudaVersion": record.gpu.min_cuda,
    }
    if record.gpu.excluded:
        gpu["excludedTypes"] = list(record.gpu.excluded)
    return {"gpu": gpu}


def _scaling(record: EndpointRecord) -> dict[str, Any]:
    if isinstance(record.scaling, RequestCount):
        return {"type": "REQUEST_COUNT", "requestCount": record.scaling.value}
    return {"type": "QUEUE_DELAY", "queueDelay": record.scaling.seconds}


def _request_urls(record: EndpointRecord, origin: str) -> dict[str, str]:
    if record.type == "LOAD_BALANCER":
        base = f"{origin}/lb/{record.id}"
        return {"base": base, "health": f"{base}{health_path(record.container.env)}"}
    base = f"{origin}/queue/v2/{record.id}"
    return {
        "run": f"{base}/run",
        "runSync": f"{base}/runsync",
        **{name: f"{base}/{name}/{{job_id}}" for name in _JOB_OPERATIONS},
        "purgeQueue": f"{base}/purge-queue",
        "health": f"{base}/health",
    }


def timestamp(moment: datetime) -> str:
    """``moment``, which is UTC, as RFC 3339 has it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
