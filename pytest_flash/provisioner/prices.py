"""What an hour of a worker costs, by the catalog."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..errors import RunpodError
from ..resources import CpuLiveServerless, LiveServerless, ServerlessResource
from ..runpod import ManagementClient
from ..runpod.models import CpuType, GpuListing
from .plan import Wanted


class Prices:
    """The catalog's serverless prices, in USD for an hour of one worker."""

    def __init__(self, gpus: Sequence[GpuListing], cpus: Sequence[CpuType]) -> None:
        self._gpus = gpus
        self._cpus = {cpu.id: cpu for cpu in cpus}

    @classmethod
    def of(cls, client: ManagementClient) -> Prices:
        """Ask the catalog; where it does not answer, no price is known."""
        try:
            return cls(client.gpus(), client.cpus())
        except RunpodError:
            # A question about money should not fail for want of the price: it says 'unknown'.
            return cls((), ())

    def hourly(self, wanted: Wanted) -> str:
        """Such as ``$0.68 to $1.12 an hour``, for whichever hardware is had."""
        found = self.range(wanted)
        if found is None:
            return "price unknown"
        lowest, highest = (f"${each:.2f}" for each in found)
        return f"{lowest if lowest == highest else f'{lowest} to {highest}'} an hour"

    def range(self, wanted: Wanted) -> tuple[float, float] | None:
        """The lowest and the highest price; None if the catalog has none of the hardware."""
        found = sorted(self._candidates(wanted))
        return (found[0], found[-1]) if found else None

    def _candidates(self, wanted: Wanted) -> Iterable[float]:
        resource: ServerlessResource = wanted.resource
        if isinstance(resource, CpuLiveServerless):
            for config in wanted.request["cpu"]:
                cpu = self._cpus.get(config["id"])
                if cpu is not None:
                    yield cpu.price.serverless_per_vcpu * config["vcpuCount"]
        elif isinstance(resource, LiveServerless):
            wanted_gpu = wanted.request["gpu"]
            excluded = wanted_gpu.get("excludedTypes", ())
            for gpu in self._gpus:
                if gpu.pool in wanted_gpu["pools"] and gpu.id not in excluded:
                    price = gpu.price.serverless
                    if price is not None:
                        yield price * resource.gpuCount
