"""Endpoints and workers as the management plane shows them (REST v2 schemas)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ...wire.cpus import GB_PER_VCPU
from ...wire.gpus import ACCEPTED_TYPES
from .desired_workers import RequestCount
from .health_checks import health_path

if TYPE_CHECKING:
    from ...wire import documents
    from .endpoint_records import EndpointRecord, Gpu


@dataclass(frozen=True)
class WorkerView:
    """One worker at one moment; ``status`` is a REST v2 ``WorkerStatus``."""

    id: str
    status: documents.WorkerStatus
    version: int
    image: str
    started_at: datetime | None = None
    uptime: float | None = None


def endpoint_document(record: EndpointRecord, origin: str) -> documents.Endpoint:
    """Schema ``Endpoint``. ``origin`` is the emulator's own, such as ``http://127.0.0.1:4000``."""
    container = record.container
    document: documents.Endpoint = {
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
    if record.gpu is None:
        # GraphQL alone orders one vCPU; the least that REST v2 can say is two.
        shown = dict.fromkeys((cpu.id, max(cpu.vcpus, 2)) for cpu in record.cpu)
        document["cpu"] = [
            {"id": flavor, "vcpuCount": vcpus, "memory": vcpus * GB_PER_VCPU[flavor]}
            for flavor, vcpus in shown
        ]
    else:
        document["gpu"] = _gpu(record.gpu)
    return document


def workers_document(record: EndpointRecord, workers: Sequence[WorkerView]) -> documents.Workers:
    """Schema ``ListEndpointWorkersResponse``."""
    counts = Counter(worker.status for worker in workers)
    return {
        "workers": [_worker(record, worker) for worker in workers],
        "summary": {
            "running": counts["RUNNING"],
            "idle": counts["IDLE"],
            "initializing": counts["INITIALIZING"],
            "throttled": counts["THROTTLED"],
            "unhealthy": counts["UNHEALTHY"],
            "total": len(workers),
        },
        "endpointVersion": record.version,
    }


def _worker(record: EndpointRecord, worker: WorkerView) -> documents.Worker:
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


def _gpu(gpu: Gpu) -> documents.EndpointGpu:
    document: documents.EndpointGpu = {
        "pools": list(gpu.pools),
        "count": gpu.count,
        "allowedCudaVersions": list(gpu.allowed_cuda),
        "minCudaVersion": gpu.min_cuda,
    }
    if gpu.excluded:
        document["excludedTypes"] = list(gpu.excluded)
    return document


def _scaling(record: EndpointRecord) -> documents.Scaling:
    if isinstance(record.scaling, RequestCount):
        return {"type": "REQUEST_COUNT", "requestCount": record.scaling.value}
    return {"type": "QUEUE_DELAY", "queueDelay": record.scaling.seconds}


def _request_urls(
    record: EndpointRecord, origin: str
) -> documents.QueueUrls | documents.BalancerUrls:
    if record.type == "LOAD_BALANCER":
        base = f"{origin}/lb/{record.id}"
        return {"base": base, "health": f"{base}{health_path(record.container.env)}"}
    base = f"{origin}/queue/v2/{record.id}"
    return {
        "run": f"{base}/run",
        "runSync": f"{base}/runsync",
        "status": f"{base}/status/{{job_id}}",
        "stream": f"{base}/stream/{{job_id}}",
        "cancel": f"{base}/cancel/{{job_id}}",
        "retry": f"{base}/retry/{{job_id}}",
        "purgeQueue": f"{base}/purge-queue",
        "health": f"{base}/health",
    }


def timestamp(moment: datetime) -> str:
    """``moment``, which is UTC, as RFC 3339 has it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
