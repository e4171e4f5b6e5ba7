"""What a resource's workers run on, in words."""

from __future__ import annotations

from ..resources import CpuLiveServerless, GpuGroup, GpuType, LiveServerless, ServerlessResource


def describe(resource: ServerlessResource) -> str:
    """Such as ``cpu3c-2-4``, ``2 x AMPERE_24 or ADA_24``, ``any GPU``."""
    if isinstance(resource, CpuLiveServerless):
        return " or ".join(instance.value for instance in resource.instanceIds)
    if not isinstance(resource, LiveServerless):
        return resource.compute
    anything = {GpuGroup.ANY, GpuType.ANY} & {*resource.gpus} or not resource.gpus
    names = "any GPU" if anything else " or ".join(gpu.value for gpu in resource.gpus)
    return names if resource.gpuCount == 1 else f"{resource.gpuCount} x {names}"
