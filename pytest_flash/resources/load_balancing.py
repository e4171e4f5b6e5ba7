"""Load-balancing endpoints: calls go to a worker over HTTP, past any queue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator

from ..wire.choices import one_of
from ..wire.cpus import CpuInstanceType
from ..wire.gpus import GpuGroup
from .gpu_and_cpu import CpuLiveServerless, LiveServerless
from .serverless_base import ServerlessResource, ServerlessScalerType, ServerlessType, type_of

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


class _LoadBalancing(ServerlessResource):
    _official_type: ClassVar[str] = "LB"

    @classmethod
    def _translate(cls, said: dict[str, Any]) -> Iterator[str]:
        if type_of(said.get("type")) == ServerlessType.QB.value:
            del said["type"]
            yield f"type is ignored: every {cls.__name__} is a load-balancing endpoint (LB)"
        if type_of(said.get("scalerType")) == ServerlessScalerType.QUEUE_DELAY.value:
            del said["scalerType"]
            yield (
                "REQUEST_COUNT is used for scalerType: load-balancing endpoints have no queue that "
                "could delay"
            )
        yield from super()._translate(said)

    @property
    def routing(self) -> Literal["LOAD_BALANCER"]:
        """How calls reach a worker: by Runpod's load balancer."""
        return "LOAD_BALANCER"


class LiveLoadBalancer(_LoadBalancing, LiveServerless):
    """A load-balancing endpoint whose workers have GPUs: no queue, one HTTP request for a call."""

    @classmethod
    def _on_cpus(cls) -> type[CpuLiveServerless]:
        return CpuLiveLoadBalancer

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
        ) -> None:
            """Describe the endpoint.

            ``name``: what the endpoint is called, with ``live-`` in front.
            ``gpus``: pools and models that will do; empty or ANY is every pool.
            ``gpuCount``: GPUs of each worker, 1.
            ``cudaVersions`` or ``allowedCudaVersions``: CUDA versions that will do; any.
            ``workersMin`` and ``workersMax``: how many workers, 0 to 3 if not given.
            ``idleTimeout``: seconds that a worker without a job stays, 5.
            ``env``: the workers' environment variables.
            ``executionTimeoutMs``: the endpoint's time limit in milliseconds; 0 is 10 minutes.
            ``scalerType`` is REQUEST_COUNT, ``scalerValue`` how many for each worker, 4.
            ``datacenter`` or ``locations``: where workers may run, EU-RO-1.
            ``networkVolume`` or ``networkVolumeId``: storage that outlives workers.
            ``template`` or ``templateId``: image, disk, arguments, ports.
            ``flashboot``: start workers faster, on.

            Raises ConfigurationError, which lists every value that cannot work.
            """
            ...


class CpuLiveLoadBalancer(_LoadBalancing, CpuLiveServerless):
    """A load-balancing endpoint whose workers have CPUs: no queue, one HTTP request for a call."""

    _gpu_class: ClassVar[str] = "LiveLoadBalancer"

    scalerType: _Scaler = ServerlessScalerType.REQUEST_COUNT

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            name: str,
            instanceIds: Sequence[CpuInstanceType | str] = (CpuInstanceType.CPU3G_2_8,),
            **options: Unpack[EndpointOptions],
        ) -> None:
            """Describe the endpoint.

            ``name``: what the endpoint is called, with ``live-`` in front.
            ``instanceIds``: kinds of machines that will do, cpu3g-2-8.
            ``workersMin`` and ``workersMax``: how many workers, 0 to 3 if not given.
            ``idleTimeout``: seconds that a worker without a job stays, 5.
            ``env``: the workers' environment variables.
            ``executionTimeoutMs``: the endpoint's time limit in milliseconds; 0 is 10 minutes.
            ``scalerType`` is REQUEST_COUNT, ``scalerValue`` how many for each worker, 4.
            ``datacenter`` or ``locations``: where workers may run, EU-RO-1.
            ``networkVolume`` or ``networkVolumeId``: storage that outlives workers.
            ``template`` or ``templateId``: image, disk, arguments, ports.
            ``flashboot``: start workers faster, on.

            Raises ConfigurationError, which lists every value that cannot work.
            """
            ...
