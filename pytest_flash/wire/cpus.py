"""CPU flavors and instances of Runpod Serverless."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .choices import Choice

GB_PER_VCPU: Mapping[str, int] = MappingProxyType({"cpu3g": 4, "cpu3c": 2, "cpu5c": 2, "cpu5g": 4})
"""Memory of the CPU flavors (Flash SDK 1.19; that of ``cpu5g`` is not documented and taken from
``cpu3g``)."""

# Official SDK 1.19: GB of container disk for each vCPU.
_DISK_PER_VCPU = {"cpu3g": 10, "cpu3c": 10, "cpu5c": 15}


class CpuInstanceType(Choice):
    """A CPU instance, named ``<flavor>-<vCPUs>-<GB of memory>``.

    Those with one vCPU are here because the official SDK has them; a resource takes the smallest
    one of the flavor that REST v2 orders in their place.
    """

    CPU3G_1_4 = "cpu3g-1-4"
    CPU3G_2_8 = "cpu3g-2-8"
    CPU3G_4_16 = "cpu3g-4-16"
    CPU3G_8_32 = "cpu3g-8-32"
    CPU3C_1_2 = "cpu3c-1-2"
    CPU3C_2_4 = "cpu3c-2-4"
    CPU3C_4_8 = "cpu3c-4-8"
    CPU3C_8_16 = "cpu3c-8-16"
    CPU5C_1_2 = "cpu5c-1-2"
    CPU5C_2_4 = "cpu5c-2-4"
    CPU5C_4_8 = "cpu5c-4-8"
    CPU5C_8_16 = "cpu5c-8-16"

    @property
    def flavor(self) -> str:
        """The flavor id of REST v2, such as ``cpu3c``."""
        return self.value.split("-")[0]

    @property
    def vcpus(self) -> int:
        """Number of vCPUs."""
        return int(self.value.split("-")[1])

    @property
    def disk_cap(self) -> int:
        """The largest container disk, in GB."""
        return self.vcpus * _DISK_PER_VCPU[self.flavor]
