"""The endpoints that user code describes: on GPUs and on CPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator

from ..wire.choices import comma_list, some_of
from ..wire.cpus import CpuInstanceType
from ..wire.gpus import CudaVersion, GpuGroup, GpuType, gpus_of
from .cpu import enlarge, usable_instances
from .datacenter import move_to_cpus
from .fields import whole
from .serverless_base import ServerlessResource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from typing_extensions import Unpack

    from .serverless_base import EndpointOptions

# Official SDK: GB of container disk of a GPU worker.
_GPU_DISK = 64

_Cuda = Annotated[
    tuple[CudaVersion, ...],
    BeforeValidator(comma_list(some_of("a CUDA version", CudaVersion))),
]


class LiveServerless(ServerlessResource):
    """An endpoint whose workers have GPUs: ``LiveServerless(name="gpu", gpus=["ADA_24"])``.

    ``gpus`` lists pools (GpuGroup) and single models (GpuType); empty or ANY means all pools.
    """

    gpus: Annotated[
        tuple[GpuGroup | GpuType, ...],
        BeforeValidator(some_of("a GPU group or type", GpuGroup, GpuType)),
    ] = (GpuGroup.ANY,)
    gpuCount: Annotated[int, whole(1)] = 1
    cudaVersions: _Cuda = ()
    allowedCudaVersions: _Cuda = ()

    if not TYPE_CHECKING:

        def __new__(cls, **fields: Any) -> Any:
            """With ``instanceIds`` it is an endpoint on CPUs, as in the official SDK."""
            return cls._on_cpus()(**fields) if fields.get("instanceIds") else super().__new__(cls)

    @classmethod
    def _on_cpus(cls) -> type[CpuLiveServerless]:
        return CpuLiveServerless

    @classmethod
    def _ignored(cls) -> dict[str, str]:
        return {**super()._ignored(), "instanceIds": "it is for CPU workers"}

    @classmethod
    def _translate(cls, said: dict[str, Any]) -> Iterator[str]:
        if ids := said.pop("gpuIds", None):  # What counts, in the official SDK too.
            try:
                said["gpus"] = gpus_of(ids)
            except ValueError:
                said["gpus"] = ids  # The field's own check tells what is wrong.
        yield from super()._translate(said)

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
            ``executionTimeoutMs``: milliseconds that a job may run; 0 is 10 minutes.
            ``env``: the workers' environment variables.
            ``scalerType`` and ``scalerValue``: what starts workers: seconds of delay in the queue,
            4, or requests for each worker.
            ``datacenter`` or ``locations``: where workers may run, EU-RO-1.
            ``networkVolume`` or ``networkVolumeId``: storage that outlives workers.
            ``template`` or ``templateId``: image, disk, arguments, ports.
            ``flashboot``: start workers faster, on.

            Raises ConfigurationError, which lists every value that cannot work.
            """
            ...

    @property
    def compute(self) -> Literal["GPU"]:
        """What workers have: GPU."""
        return "GPU"

    @property
    def container_disk(self) -> int:
        """Container disk of a worker, in GB: the template's, else 64."""
        return (self.template and self.template.containerDiskInGb) or _GPU_DISK

    @property
    def cuda_versions(self) -> tuple[CudaVersion, ...]:
        """CUDA versions that a worker's machine may have; empty for any."""
        return self.cudaVersions or self.allowedCudaVersions

    def _conflicts(self) -> Iterator[str]:
        yield from super()._conflicts()
        both = self.cudaVersions and self.allowedCudaVersions
        if both and set(self.cudaVersions) != set(self.allowedCudaVersions):
            yield "allowedCudaVersions: differs from cudaVersions; give one of them"


class CpuLiveServerless(ServerlessResource):
    """An endpoint whose workers have CPUs only: ``CpuLiveServerless(name="cpu")``.

    ``instanceIds`` lists the kinds of machines that will do.
    """

    _gpu_class: ClassVar[str] = "LiveServerless"

    instanceIds: Annotated[tuple[CpuInstanceType, ...], BeforeValidator(usable_instances)] = (
        CpuInstanceType.CPU3G_2_8,
    )

    @classmethod
    def _ignored(cls) -> dict[str, str]:
        names = ("gpus", "gpuCount", "gpuIds", "cudaVersions", "allowedCudaVersions")
        reason = f"it is for GPU workers, which {cls._gpu_class} has"
        return {**super()._ignored(), **dict.fromkeys(names, reason)}

    @classmethod
    def _translate(cls, said: dict[str, Any]) -> Iterator[str]:
        yield from super()._translate(said)
        yield from enlarge(said)
        yield from move_to_cpus(said)

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
            ``executionTimeoutMs``: milliseconds that a job may run; 0 is 10 minutes.
            ``env``: the workers' environment variables.
            ``scalerType`` and ``scalerValue``: what starts workers: seconds of delay in the queue,
            4, or requests for each worker.
            ``datacenter`` or ``locations``: where workers may run, EU-RO-1.
            ``networkVolume`` or ``networkVolumeId``: storage that outlives workers.
            ``template`` or ``templateId``: image, disk, arguments, ports.
            ``flashboot``: start workers faster, on.

            Raises ConfigurationError, which lists every value that cannot work.
            """
            ...

    @property
    def compute(self) -> Literal["CPU"]:
        """What workers have: CPU."""
        return "CPU"

    @property
    def container_disk(self) -> int:
        """Container disk of a worker, in GB: the template's, else the most that is allowed."""
        return (self.template and self.template.containerDiskInGb) or self._disk_cap

    @property
    def _disk_cap(self) -> int:
        return min(instance.disk_cap for instance in self.instanceIds)

    def _conflicts(self) -> Iterator[str]:
        yield from super()._conflicts()
        if self.container_disk > self._disk_cap:
            yield (
                f"template: containerDiskInGb {self.container_disk} is more than the "
                f"{self._disk_cap} GB that {', '.join(self.instanceIds)} allow; leave it out to "
                "get the most"
            )
