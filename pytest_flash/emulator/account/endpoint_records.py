"""Endpoints as configured: created, patched and shown by the rules of REST v2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from ...clock import utc_now
from ...wire import documents, requests
from ...wire.cpus import GB_PER_VCPU
from ...wire.documents import EndpointType, FlashBoot
from ...wire.gpus import ACCEPTED_TYPES
from ..server.http_errors import HttpError
from .desired_workers import QueueDelay, RequestCount, Scaling
from .ids import new_id

Compute = Literal["gpu", "cpu"]

DEFAULT_IDLE_TIMEOUT = 10
_DEFAULT_TIMEOUT = 300_000


@dataclass(frozen=True)
class Container:
    """What a worker runs. A change makes a new version of the endpoint. ``disk`` in GB."""

    image: str
    args: str = ""
    disk: int = 20
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    ports: tuple[str, ...] = ()
    registry: str | None = None


@dataclass(frozen=True)
class Gpu:
    """The GPUs that workers may be placed on."""

    pools: tuple[str, ...]
    excluded: tuple[str, ...] = ()
    count: int = 1
    allowed_cuda: tuple[str, ...] = ()
    min_cuda: str | None = None


@dataclass(frozen=True)
class Cpu:
    """One CPU configuration that workers may be placed on."""

    id: str
    vcpus: int


@dataclass(frozen=True)
class EndpointRecord:
    """One endpoint's configuration. ``idle_timeout`` in seconds, ``timeout`` in milliseconds."""

    id: str
    name: str
    type: EndpointType
    container: Container
    scaling: Scaling
    created_at: datetime
    gpu: Gpu | None = None
    cpu: tuple[Cpu, ...] = ()
    workers_min: int = 0
    workers_max: int = 3
    idle_timeout: int = DEFAULT_IDLE_TIMEOUT
    data_centers: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    timeout: int = _DEFAULT_TIMEOUT
    flashboot: FlashBoot = "OFF"
    version: int = 1

    @property
    def compute(self) -> Compute:
        """Whether its workers have GPUs."""
        return "cpu" if self.gpu is None else "gpu"

    @property
    def has_idle_timeout(self) -> bool:
        """False for the one combination for which REST v2 knows no idle timeout."""
        return not (self.type == "QUEUE" and isinstance(self.scaling, RequestCount))


def created(body: requests.CreateEndpoint) -> EndpointRecord:
    """The endpoint that a create request asks for. Raises HttpError 400 or 404."""
    if ("gpu" in body) == ("cpu" in body):
        raise HttpError(400, "exactly one of gpu and cpu must be given")
    _refuse_template(body.get("templateId"))
    record = EndpointRecord(
        id=new_id(),
        name=body["name"],
        type=body["type"],
        container=_container(Container(image=""), body),
        scaling=_scaling(body["scaling"]),
        created_at=utc_now(),
        gpu=_changed_gpu(Gpu(pools=()), body["gpu"]) if "gpu" in body else None,
        cpu=_cpu(body.get("cpu", [])),
    )
    return _checked(_common(record, body), body.get("workers"))


def patched(record: EndpointRecord, body: requests.UpdateEndpoint) -> EndpointRecord:
    """``record`` with what a patch names changed. Raises HttpError 400 or 404.

    A change of the container makes a new version (REST v2, "Update endpoint").
    """
    for name in ("gpu", "cpu"):
        if name in body and name != record.compute:
            raise HttpError(400, f"{name} cannot be set: this is a {record.compute} endpoint")
    _refuse_template(body.get("templateId"))
    container = _container(record.container, body)
    changed = replace(
        record,
        name=body.get("name", record.name),
        container=container,
        version=record.version + (container != record.container),
        scaling=_scaling(body["scaling"]) if "scaling" in body else record.scaling,
        gpu=_changed_gpu(record.gpu, body["gpu"]) if record.gpu and "gpu" in body else record.gpu,
        cpu=_cpu(body["cpu"]) if "cpu" in body else record.cpu,
    )
    return _checked(_common(changed, body), body.get("workers"))


def _common(record: EndpointRecord, body: requests.EndpointSettings) -> EndpointRecord:
    workers = body.get("workers", {})
    return replace(
        record,
        workers_min=workers.get("min", record.workers_min),
        workers_max=workers.get("max", record.workers_max),
        idle_timeout=workers.get("idleTimeout", record.idle_timeout),
        data_centers=tuple(body.get("dataCenterIds", record.data_centers)),
        volumes=tuple(body.get("networkVolumes", record.volumes)),
        timeout=body.get("timeout", record.timeout),
        flashboot=body.get("flashboot", record.flashboot),
    )


def _checked(record: EndpointRecord, workers: requests.WorkerBounds | None) -> EndpointRecord:
    """``record``, when its fields agree with one another; raises HttpError 400 otherwise."""
    if record.type == "LOAD_BALANCER" and not isinstance(record.scaling, RequestCount):
        raise HttpError(400, "a LOAD_BALANCER endpoint scales on REQUEST_COUNT only")
    if record.workers_min > record.workers_max:
        raise HttpError(
            400,
            f"workers.min ({record.workers_min}) is above workers.max ({record.workers_max})",
        )
    if record.timeout < 1:
        raise HttpError(400, f"timeout must be at least 1 ms, not {record.timeout}")
    if not record.has_idle_timeout:
        if workers is not None and "idleTimeout" in workers:
            raise HttpError(
                400, "workers.idleTimeout does not apply to a QUEUE endpoint on REQUEST_COUNT"
            )
        return replace(record, idle_timeout=DEFAULT_IDLE_TIMEOUT)
    return record


def _refuse_template(template_id: str | None) -> None:
    if template_id is not None:
        raise HttpError(404, f"template {template_id!r} not found: the emulator has no templates")


def _container(container: Container, body: requests.EndpointSettings) -> Container:
    return Container(
        image=body.get("image", container.image),
        args=body.get("args", container.args),
        disk=body.get("disk", container.disk),
        env=body.get("env", container.env),
        ports=tuple(body.get("ports", container.ports)),
        registry=body.get("registry", container.registry),
    )


def _scaling(body: documents.QueueDelayScaling | documents.RequestCountScaling) -> Scaling:
    if body["type"] == "REQUEST_COUNT":
        return RequestCount(body["requestCount"])
    return QueueDelay(body["queueDelay"])


def _cpu(bodies: Sequence[requests.Cpu]) -> tuple[Cpu, ...]:
    for body in bodies:
        flavor, vcpus = body["id"], body["vcpuCount"]
        if flavor not in GB_PER_VCPU:
            raise HttpError(400, f"unknown CPU flavor {flavor!r}; known: {_names(GB_PER_VCPU)}")
        if vcpus & (vcpus - 1):
            raise HttpError(400, f"vcpuCount must be a power of two, not {vcpus}")
    return tuple(Cpu(body["id"], body["vcpuCount"]) for body in bodies)


def _changed_gpu(gpu: Gpu, body: requests.CreateGpu | requests.UpdateGpu) -> Gpu:
    pools, excluded = gpu.pools, gpu.excluded
    if "pools" in body:
        pools = tuple(body["pools"])
        excluded = tuple(name.strip() for name in body.get("excludedTypes", ()))
        _check_selection(pools, excluded)
    changed = Gpu(
        pools=pools,
        excluded=excluded,
        count=body.get("count", gpu.count),
        allowed_cuda=tuple(body.get("allowedCudaVersions", gpu.allowed_cuda)),
        min_cuda=body.get("minCudaVersion", gpu.min_cuda) or None,
    )
    if changed.allowed_cuda and changed.min_cuda:
        raise HttpError(400, "gpu.allowedCudaVersions and gpu.minCudaVersion exclude each other")
    return changed


def _check_selection(pools: Sequence[str], excluded: tuple[str, ...]) -> None:
    for pool in pools:
        if pool not in ACCEPTED_TYPES:
            raise HttpError(400, f"unknown GPU pool {pool!r}; known: {_names(ACCEPTED_TYPES)}")
    types = frozenset[str]().union(*(ACCEPTED_TYPES[pool] for pool in pools))
    for name in excluded:
        if name not in types:
            raise HttpError(400, f"gpu.excludedTypes: {name!r} is not a GPU type of these pools")
    if types <= set(excluded):
        raise HttpError(400, "gpu.excludedTypes leaves no GPU type to run on")


def _names(known: Mapping[str, Any]) -> str:
    return ", ".join(sorted(known))
