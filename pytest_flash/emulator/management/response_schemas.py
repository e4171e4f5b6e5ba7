"""The answers of the management plane, as its OpenAPI document describes them.

Only for that document: the modules of ``account`` and ``catalog_views`` make what is sent. A key
that is not always there has None for its default.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ..account.endpoint_requests import RequestSchema, ScalingBody, WorkersBody

_Uri = Annotated[str, Field(json_schema_extra={"format": "uri"})]
_Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
_Count = Annotated[int, Field(ge=0)]
_Availability = Literal["NONE", "LOW", "MEDIUM", "HIGH"]


class ResponseSchema(RequestSchema):
    """An answer, or a part of one."""


class Problem(ResponseSchema):
    """A refusal."""

    title: str
    status: int
    detail: str
    errors: list[str] | None = None


class QueueUrls(ResponseSchema):
    """Where the jobs of a queue-based endpoint go."""

    run: _Uri
    runSync: _Uri
    status: _Uri
    stream: _Uri
    cancel: _Uri
    retry: _Uri
    purgeQueue: _Uri
    health: _Uri


class BalancerUrls(ResponseSchema):
    """Where the requests of a load-balancing endpoint go."""

    base: _Uri
    health: _Uri


class GpuAnswer(ResponseSchema):
    """The GPUs of an endpoint."""

    nullable: ClassVar[frozenset[str]] = frozenset({"minCudaVersion"})

    pools: list[str]
    count: int
    allowedCudaVersions: list[str]
    minCudaVersion: str | None
    excludedTypes: list[str] | None = None


class CpuAnswer(ResponseSchema):
    """A CPU configuration of an endpoint."""

    id: str
    vcpuCount: int
    memory: float


class EndpointAnswer(ResponseSchema):
    """An endpoint."""

    nullable: ClassVar[frozenset[str]] = frozenset({"registry"})

    id: str
    name: str
    type: Literal["QUEUE", "LOAD_BALANCER"]
    requestUrls: QueueUrls | BalancerUrls
    image: str
    args: str
    disk: int
    ports: list[str]
    env: dict[str, str]
    registry: str | None
    gpu: GpuAnswer | None = None
    cpu: list[CpuAnswer] | None = None
    workers: WorkersBody
    scaling: ScalingBody
    dataCenterIds: list[str]
    networkVolumes: list[str]
    timeout: int
    flashboot: Literal["OFF", "FLASHBOOT", "PRIORITY_FLASHBOOT"]
    createdAt: _Time


class EndpointsAnswer(ResponseSchema):
    """Every endpoint."""

    endpoints: list[EndpointAnswer]


class WorkerAnswer(ResponseSchema):
    """A worker."""

    nullable: ClassVar[frozenset[str]] = frozenset(
        {"uptimeSeconds", "gpuTypeId", "dataCenterId", "startedAt"}
    )

    id: str
    status: Literal["RUNNING", "IDLE", "INITIALIZING", "THROTTLED", "UNHEALTHY"]
    isStale: bool
    version: int
    gpuCount: _Count
    image: str
    uptimeSeconds: _Count | None
    gpuTypeId: str | None
    dataCenterId: str | None
    startedAt: _Time | None


class WorkersSummary(ResponseSchema):
    """How many workers have which status."""

    running: _Count
    idle: _Count
    initializing: _Count
    throttled: _Count
    unhealthy: _Count
    total: _Count


class WorkersAnswer(ResponseSchema):
    """The workers of an endpoint."""

    workers: list[WorkerAnswer]
    summary: WorkersSummary
    endpointVersion: int


class ChangeAnswer(ResponseSchema):
    """A changed field."""

    field: str
    old: Any
    new: Any


class ReleaseAnswer(ResponseSchema):
    """A version of an endpoint."""

    nullable: ClassVar[frozenset[str]] = frozenset({"buildId", "createdByUserId"})

    id: str
    version: int
    source: Literal["MANUAL"]
    buildId: None
    createdByUserId: None
    workerCount: _Count
    createdAt: _Time
    diff: list[ChangeAnswer]


class RolloutAnswer(ResponseSchema):
    """How far the latest version has come."""

    inProgress: bool
    workersOnLatest: _Count
    workersTotal: _Count
    percentOnLatest: Annotated[int, Field(ge=0, le=100)]


class ReleasesAnswer(ResponseSchema):
    """The versions of an endpoint, the newest first."""

    endpointVersion: int
    rollout: RolloutAnswer
    releases: list[ReleaseAnswer]


class VolumeAnswer(ResponseSchema):
    """A network volume; ``size`` in GB."""

    id: str
    name: str
    size: int
    dataCenter: str
    type: Literal["STANDARD", "HIGH_PERFORMANCE"]


class VolumesAnswer(ResponseSchema):
    """Every network volume."""

    networkVolumes: list[VolumeAnswer]


class AvailabilityAnswer(ResponseSchema):
    """Whether something is to be had in one place."""

    id: str
    name: str
    availability: _Availability


class GpuPriceAnswer(ResponseSchema):
    """USD per hour of one GPU."""

    secure: float
    community: float
    serverless: float | None = None


class GpuMaximumAnswer(ResponseSchema):
    """How many GPUs a pod may have."""

    secure: int
    community: int


class CudaAnswer(ResponseSchema):
    """A CUDA version."""

    version: str
    available: bool


class GpuTypeAnswer(ResponseSchema):
    """A GPU type; ``memory`` in GB."""

    nullable: ClassVar[frozenset[str]] = frozenset({"pool"})

    id: str
    name: str
    pool: str | None
    manufacturer: Literal["NVIDIA"]
    memory: int
    secure: bool
    community: bool
    price: GpuPriceAnswer
    maxCount: GpuMaximumAnswer
    availability: _Availability | None = None
    dataCenters: list[AvailabilityAnswer] | None = None
    cudaVersions: list[CudaAnswer] | None = None


class GpuTypesAnswer(ResponseSchema):
    """Every GPU type."""

    gpus: list[GpuTypeAnswer]


class VcpuAnswer(ResponseSchema):
    """How many vCPUs there may be."""

    min: int
    max: int


class CpuPriceAnswer(ResponseSchema):
    """USD per hour of one vCPU."""

    securePerVcpu: float
    serverlessPerVcpu: float


class CpuTypeAnswer(ResponseSchema):
    """A CPU flavor."""

    id: str
    name: str
    group: str
    vcpu: VcpuAnswer
    ramGbPerVcpu: float
    price: CpuPriceAnswer
    availability: _Availability | None = None
    dataCenters: list[AvailabilityAnswer] | None = None


class CpuTypesAnswer(ResponseSchema):
    """Every CPU flavor."""

    cpus: list[CpuTypeAnswer]


class DataCenterAnswer(ResponseSchema):
    """A data center."""

    id: str
    name: str
    region: str
    networkVolumeTypes: list[str]
    compliance: list[str]
    globalNetwork: bool


class DataCentersAnswer(ResponseSchema):
    """Every data center."""

    dataCenters: list[DataCenterAnswer]


class TemplatesAnswer(ResponseSchema):
    """Every template: none."""

    templates: Annotated[list[Any], Field(max_length=0)]
