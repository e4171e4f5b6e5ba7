"""What Runpod's management plane takes (REST v2 schemas), key by key.

A key that is ``NotRequired`` may be left out, and is null only where None is a part of its type.
The provisioner makes these, and the emulator reads them: nothing else is in them, and nothing is
converted. Its OpenAPI document comes from them.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field
from typing_extensions import NotRequired, TypedDict

from .data_centers import VolumeType
from .documents import EndpointType, FlashBoot, Scaling
from .strict import strict


def _all_different(values: list[Any]) -> list[Any]:
    if any(value in values[:index] for index, value in enumerate(values)):
        raise ValueError("items must be unique")
    return values


_DIFFERENT = AfterValidator(_all_different)
_Name = Annotated[str, Field(min_length=1)]
_Count = Annotated[int, Field(ge=0)]
_Number = Annotated[int, Field(ge=1)]
_Pools = Annotated[list[str], Field(min_length=1)]
_Excluded = Annotated[list[Annotated[str, Field(pattern=r"^\s*[^-\s]")]], _DIFFERENT]
_CudaVersion = Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+$")]


@strict
class WorkerBounds(TypedDict):
    """Schema ``EndpointWorkers``; ``idleTimeout`` in seconds."""

    min: NotRequired[_Count]
    max: NotRequired[_Count]
    idleTimeout: NotRequired[Annotated[int, Field(ge=1, le=3600)]]


@strict
class CreateGpu(TypedDict):
    """Schema ``CreateEndpointGpuConfig``."""

    pools: _Pools
    count: NotRequired[_Number]
    excludedTypes: NotRequired[_Excluded]
    allowedCudaVersions: NotRequired[list[_CudaVersion]]
    minCudaVersion: NotRequired[_CudaVersion]


@strict
class UpdateGpu(TypedDict):
    """Schema ``UpdateEndpointGpuConfig``. An empty ``minCudaVersion`` ends the limit."""

    pools: NotRequired[_Pools]
    count: NotRequired[_Number]
    excludedTypes: NotRequired[_Excluded]
    allowedCudaVersions: NotRequired[list[_CudaVersion]]
    minCudaVersion: NotRequired[Annotated[str, Field(pattern=r"^$|^[0-9]+\.[0-9]+$")]]


@strict
class Cpu(TypedDict):
    """Schema ``CreateCpuConfig``."""

    id: _Name
    vcpuCount: Annotated[int, Field(ge=2)]


_Cpus = Annotated[list[Cpu], Field(min_length=1), _DIFFERENT]


class EndpointSettings(TypedDict):
    """What requests to create and to update have in common; ``timeout`` in milliseconds."""

    image: NotRequired[str]
    args: NotRequired[str]
    disk: NotRequired[_Number]
    env: NotRequired[dict[str, str]]
    ports: NotRequired[list[str]]
    registry: NotRequired[str | None]
    cpu: NotRequired[_Cpus]
    workers: NotRequired[WorkerBounds]
    dataCenterIds: NotRequired[list[str]]
    networkVolumes: NotRequired[list[str]]
    timeout: NotRequired[int]
    flashboot: NotRequired[FlashBoot]


@strict
class CreateEndpoint(EndpointSettings):
    """Schema ``CreateEndpointRequest``."""

    name: _Name
    type: EndpointType
    scaling: Scaling
    gpu: NotRequired[CreateGpu]
    templateId: NotRequired[_Name]


@strict
class UpdateEndpoint(EndpointSettings):
    """Schema ``UpdateEndpointRequest``: only what it has changes."""

    name: NotRequired[_Name]
    scaling: NotRequired[Scaling]
    gpu: NotRequired[UpdateGpu]
    templateId: NotRequired[str]


_VolumeSize = Annotated[int, Field(ge=10, le=4096)]


@strict
class CreateVolume(TypedDict):
    """Schema ``CreateNetworkVolumeRequest``; ``size`` in GB."""

    name: _Name
    size: _VolumeSize
    dataCenter: _Name
    type: NotRequired[VolumeType]


@strict
class UpdateVolume(TypedDict):
    """Schema ``UpdateNetworkVolumeRequest``; ``size`` in GB."""

    name: NotRequired[_Name]
    size: NotRequired[_VolumeSize]
