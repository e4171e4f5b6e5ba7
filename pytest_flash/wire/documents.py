"""What Runpod's management plane answers (REST v2 schemas), key by key.

A key that is not ``NotRequired`` is always there, and null only where None is a part of its type.
The emulator makes these, and its OpenAPI document comes from them; ``runpod.models`` is how the
client reads them, as much as it needs and whatever else is there.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import NotRequired, TypedDict

from .data_centers import VolumeType
from .strict import strict

_Uri = Annotated[str, Field(json_schema_extra={"format": "uri"})]
_Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
_Count = Annotated[int, Field(ge=0)]
_Availability = Literal["NONE", "LOW", "MEDIUM", "HIGH"]


class Problem(TypedDict):
    """A refusal."""

    title: str
    status: int
    detail: str
    errors: NotRequired[list[str]]


class QueueUrls(TypedDict):
    """Where the jobs of a queue-based endpoint go."""

    run: _Uri
    runSync: _Uri
    status: _Uri
    stream: _Uri
    cancel: _Uri
    retry: _Uri
    purgeQueue: _Uri
    health: _Uri


class BalancerUrls(TypedDict):
    """Where the requests of a load-balancing endpoint go."""

    base: _Uri
    health: _Uri


class EndpointGpu(TypedDict):
    """The GPUs of an endpoint."""

    pools: list[str]
    count: int
    allowedCudaVersions: list[str]
    minCudaVersion: str | None
    excludedTypes: NotRequired[list[str]]


class EndpointCpu(TypedDict):
    """A CPU configuration of an endpoint."""

    id: str
    vcpuCount: int
    memory: float


class EndpointWorkers(TypedDict):
    """How many workers an endpoint may have; ``idleTimeout`` in seconds."""

    min: _Count
    max: _Count
    idleTimeout: NotRequired[Annotated[int, Field(ge=1, le=3600)]]


@strict
class QueueDelayScaling(TypedDict):
    """A worker more when jobs wait for so many seconds."""

    type: Literal["QUEUE_DELAY"]
    queueDelay: Annotated[float, Field(ge=0.5)]


@strict
class RequestCountScaling(TypedDict):
    """A worker more for so many requests."""

    type: Literal["REQUEST_COUNT"]
    requestCount: Annotated[int, Field(ge=1)]


Scaling = Annotated[QueueDelayScaling | RequestCountScaling, Field(discriminator="type")]


EndpointType = Literal["QUEUE", "LOAD_BALANCER"]
FlashBoot = Literal["OFF", "FLASHBOOT", "PRIORITY_FLASHBOOT"]


class Endpoint(TypedDict):
    """An endpoint; ``timeout`` in milliseconds."""

    id: str
    name: str
    type: EndpointType
    requestUrls: QueueUrls | BalancerUrls
    image: str
    args: str
    disk: int
    ports: list[str]
    env: dict[str, str]
    registry: str | None
    gpu: NotRequired[EndpointGpu]
    cpu: NotRequired[list[EndpointCpu]]
    workers: EndpointWorkers
    scaling: Scaling
    dataCenterIds: list[str]
    networkVolumes: list[str]
    timeout: int
    flashboot: FlashBoot
    createdAt: _Time


class Endpoints(TypedDict):
    """Every endpoint."""

    endpoints: list[Endpoint]


WorkerStatus = Literal["RUNNING", "IDLE", "INITIALIZING", "THROTTLED", "UNHEALTHY"]


class Worker(TypedDict):
    """A worker."""

    id: str
    status: WorkerStatus
    isStale: bool
    version: int
    gpuCount: _Count
    image: str
    uptimeSeconds: _Count | None
    gpuTypeId: str | None
    dataCenterId: str | None
    startedAt: _Time | None


class WorkerSummary(TypedDict):
    """How many workers have which status."""

    running: _Count
    idle: _Count
    initializing: _Count
    throttled: _Count
    unhealthy: _Count
    total: _Count


class Workers(TypedDict):
    """The workers of an endpoint."""

    workers: list[Worker]
    summary: WorkerSummary
    endpointVersion: int


class Change(TypedDict):
    """A changed field."""

    field: str
    old: Any
    new: Any


class Release(TypedDict):
    """A version of an endpoint."""

    id: str
    version: int
    source: Literal["MANUAL"]
    buildId: None
    createdByUserId: None
    workerCount: _Count
    createdAt: _Time
    diff: list[Change]


class Rollout(TypedDict):
    """How far the latest version has come."""

    inProgress: bool
    workersOnLatest: _Count
    workersTotal: _Count
    percentOnLatest: Annotated[int, Field(ge=0, le=100)]


class Releases(TypedDict):
    """The versions of an endpoint, the newest first."""

    endpointVersion: int
    rollout: Rollout
    releases: list[Release]


class NetworkVolume(TypedDict):
    """A network volume; ``size`` in GB."""

    id: str
    name: str
    size: int
    dataCenter: str
    type: VolumeType


class NetworkVolumes(TypedDict):
    """Every network volume."""

    networkVolumes: list[NetworkVolume]


class Availability(TypedDict):
    """Whether something is to be had in one place."""

    id: str
    name: str
    availability: _Availability


class GpuPrice(TypedDict):
    """USD per hour of one GPU."""

    secure: float
    community: float
    serverless: NotRequired[float]


class GpuMaximum(TypedDict):
    """How many GPUs a pod may have."""

    secure: int
    community: int


class Cuda(TypedDict):
    """A CUDA version."""

    version: str
    available: bool


class GpuType(TypedDict):
    """A GPU type; ``memory`` in GB."""

    id: str
    name: str
    pool: str | None
    manufacturer: Literal["NVIDIA"]
    memory: int
    secure: bool
    community: bool
    price: GpuPrice
    maxCount: GpuMaximum
    availability: NotRequired[_Availability]
    dataCenters: NotRequired[list[Availability]]
    cudaVersions: NotRequired[list[Cuda]]


class GpuTypes(TypedDict):
    """Every GPU type."""

    gpus: list[GpuType]


class Vcpus(TypedDict):
    """How many vCPUs there may be."""

    min: int
    max: int


class CpuPrice(TypedDict):
    """USD per hour of one vCPU."""

    securePerVcpu: float
    serverlessPerVcpu: float


class CpuType(TypedDict):
    """A CPU flavor."""

    id: str
    name: str
    group: str
    vcpu: Vcpus
    ramGbPerVcpu: float
    price: CpuPrice
    availability: NotRequired[_Availability]
    dataCenters: NotRequired[list[Availability]]


class CpuTypes(TypedDict):
    """Every CPU flavor."""

    cpus: list[CpuType]


class DataCenter(TypedDict):
    """A data center."""

    id: str
    name: str
    region: str
    networkVolumeTypes: list[str]
    compliance: list[str]
    globalNetwork: bool


class DataCenters(TypedDict):
    """Every data center."""

    dataCenters: list[DataCenter]


class Templates(TypedDict):
    """Every template: none."""

    templates: Annotated[list[Any], Field(max_length=0)]
