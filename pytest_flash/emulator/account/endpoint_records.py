"""Endpoints as configured: created, patched and shown by the rules of REST v2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from ...clock import utc_now
from ...wire.cpus import GB_PER_VCPU
from ...wire.documents import EndpointType, FlashBoot
from ...wire.gpus import ACCEPTED_TYPES
from ..server.http_errors import HttpError
from .desired_workers import QueueDelay, RequestCount, Scaling
from .endpoint_requests import (
    CpuBody,
    CreateEndpointBody,
    CreateGpuBody,
    RequestCountBody,
    ScalingBody,
    UpdateEndpointBody,
    UpdateGpuBody,
    WorkersBody,
)
from .ids import new_id

Compute = Literal["gpu", "cpu"]

DEFAULT_IDLE_TIMEOUT = 10
_DEFAULT_TIMEOUT = 300_000
_CONTAINER_FIELDS = ("image", "args", "disk", "env", "ports", "registry")


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


def created(body: CreateEndpointBody) -> EndpointRecord:
    """The endpoint that a create request asks for. Raises HttpError 400 or 404."""
    if (body.gpu is None) == (body.cpu is None):
        raise HttpError(400, "exactly one of gpu and cpu must be given")
    _refuse_template(body.templateId)
    sent = body.model_dump(include=set(_CONTAINER_FIELDS), exclude_unset=True)
    record = EndpointRecord(
        id=new_id(),
        name=body.name,
        type=body.type,
        container=_container(Container(image=body.image or ""), sent),
        scaling=_scaling(body.scaling),
        created_at=utc_now(),
        gpu=None if body.gpu is None else _new_gpu(body.gpu),
        cpu=_cpu(body.cpu or []),
    )
    return _checked(_common(record, body), body.workers)


def patched(record: EndpointRecord, body: UpdateEndpointBody) -> EndpointRecord:
    """``record`` with what a patch names changed. Raises HttpError 400 or 404.

    A change of the container makes a new version (REST v2, "Update endpoint").
    """
    family = {"gpu": body.gpu, "cpu": body.cpu}
    for name, value in family.items():
        if value is not None and name != record.compute:
            raise HttpError(400, f"{name} cannot be set: this is a {record.compute} endpoint")
    _refuse_template(body.templateId)
    sent = body.model_dump(include=set(_CONTAINER_FIELDS), exclude_unset=True)
    container = _container(record.container, sent)
    changed = replace(
        record,
        name=body.name or record.name,
        container=container,
        version=record.version + (container != record.container),
        scaling=record.scaling if body.scaling is None else _scaling(body.scaling),
        gpu=_changed_gpu(record.gpu, body.gpu) if record.gpu and body.gpu else record.gpu,
        cpu=record.cpu if body.cpu is None else _cpu(body.cpu),
    )
    return _checked(_common(changed, body), body.workers)


def _common(
    record: EndpointRecord, body: CreateEndpointBody | UpdateEndpointBody
) -> EndpointRecord:
    changes: dict[str, Any] = {}
    if body.workers is not None:
        bounds = body.workers.model_dump(exclude_unset=True)
        names = {"min": "workers_min", "max": "workers_max", "idleTimeout": "idle_timeout"}
        changes |= {names[key]: value for key, value in bounds.items()}
    if body.dataCenterIds is not None:
        changes["data_centers"] = tuple(body.dataCenterIds)
    if body.networkVolumes is not None:
        changes["volumes"] = tuple(body.networkVolumes)
    if body.timeout is not None:
        changes["timeout"] = body.timeout
    if body.flashboot is not None:
        changes["flashboot"] = body.flashboot
    return replace(record, **changes)


def _checked(record: EndpointRecord, workers: WorkersBody | None) -> EndpointRecord:
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
        if workers is not None and workers.idleTimeout is not None:
            raise HttpError(
                400, "workers.idleTimeout does not apply to a QUEUE endpoint on REQUEST_COUNT"
            )
        return replace(record, idle_timeout=DEFAULT_IDLE_TIMEOUT)
    return record


def _refuse_template(template_id: str | None) -> None:
    if template_id is not None:
        raise HttpError(404, f"template {template_id!r} not found: the emulator has no templates")


def _container(container: Container, sent: Mapping[str, Any]) -> Container:
    changes = dict(sent)
    if "ports" in changes:
        changes["ports"] = tuple(changes["ports"])
    return replace(container, **changes)


def _scaling(body: ScalingBody) -> Scaling:
    if isinstance(body, RequestCountBody):
        return RequestCount(body.requestCount)
    return QueueDelay(body.queueDelay)


def _cpu(bodies: list[CpuBody]) -> tuple[Cpu, ...]:
    for body in bodies:
        if body.id not in GB_PER_VCPU:
            raise HttpError(400, f"unknown CPU flavor {body.id!r}; known: {_names(GB_PER_VCPU)}")
        if body.vcpuCount & (body.vcpuCount - 1):
            raise HttpError(400, f"vcpuCount must be a power of two, not {body.vcpuCount}")
    return tuple(Cpu(body.id, body.vcpuCount) for body in bodies)


def _new_gpu(body: CreateGpuBody) -> Gpu:
    return _changed_gpu(Gpu(pools=()), body)


def _changed_gpu(gpu: Gpu, body: UpdateGpuBody) -> Gpu:
    changes: dict[str, Any] = {}
    if body.pools is not None:
        excluded = tuple(name.strip() for name in body.excludedTypes or ())
        _check_selection(body.pools, excluded)
        changes |= {"pools": tuple(body.pools), "excluded": excluded}
    if body.count is not None:
        changes["count"] = body.count
    if body.allowedCudaVersions is not None:
        changes["allowed_cuda"] = tuple(body.allowedCudaVersions)
    if body.minCudaVersion is not None:
        changes["min_cuda"] = body.minCudaVersion or None
    changed = replace(gpu, **changes)
    if changed.allowed_cuda and changed.min_cuda:
        raise HttpError(400, "gpu.allowedCudaVersions and gpu.minCudaVersion exclude each other")
    return changed


def _check_selection(pools: list[str], excluded: tuple[str, ...]) -> None:
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
