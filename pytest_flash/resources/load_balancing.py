"""Load-balancing endpoints: calls go to a worker over HTTP, past any queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import BeforeValidator

from ..wire.cpus import CpuInstanceType
from ..wire.gpus import GpuGroup
from .choices import one_of
from .gpu_and_cpu import CpuLiveServerless, LiveServerless
from .serverless_base import ServerlessScalerType

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    from typing_extensions import Unpack

    from ..wire.gpus import CudaVersion, GpuType
    from .serverless_base import EndpointOptions

_choose = one_of("a scaler type", ServerlessScalerType)


def _request_count(value: object) -> object:
    """REST v2, schema ``CreateEndpointRequest``: these endpoints scale in no other way."""
    if _choose(value) is not ServerlessScalerType.REQUEST_COUNT:
        raise ValueError("load-balancing endpoints have no queue and scale on REQUEST_COUNT only")
    return value


_Scaler = Annotated[ServerlessScalerType, BeforeValidator(_request_count)]


class _LoadBalancing:
    _official_type: ClassVar[str] = "LB"

    @property
    def routing(self) -> Literal["LOAD_BALANCER"]:
        """How calls reach a worker: by Runpod's load balancer."""
        return "LOAD_BALANCER"


class LiveLoadBalancer(_LoadBalancing, LiveServerless):
    """A load-balancing endpoint whose workers have GPUs."""

    _cpu_class: ClassVar[str] = "CpuLiveLoadBalancer"

    scalerType: _Scaler = ServerlessScalerType.REQUEST_COUNT

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            name: str,
            gpus: Sequence[GpuGroup | GpuType | str] = (GpuGroup.ANY,),
            gpuCount: int = 1,
            cudaVersions: Sequence[CudaVersion | str] = (),
            allowedCudaVersions: str | Sequence[CudaVersion | str] = (),
            **options: Unpack[EndpointOptions],
        ) -> None: ...


class CpuLiveLoadBalancer(_LoadBalancing, CpuLiveServerless):
    """A load-balancing endpoint whose workers have CPUs only."""

    _gpu_class: ClassVar[str] = "LiveLoadBalancer"

    scalerType: _Scaler = ServerlessScalerType.REQUEST_COUNT

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            name: str,
            instanceIds: Sequence[CpuInstanceType | str] = (CpuInstanceType.CPU3G_2_8,),
            **options: Unpack[EndpointOptions],
        ) -> None: ...
