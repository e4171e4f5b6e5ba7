"""What the catalog lists: GPU types, CPU flavors and data centers, with what is known of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import get_args

from ...wire.cpus import GB_PER_VCPU
from ...wire.data_centers import CPU_DATA_CENTERS, DataCenter, VolumeType
from ...wire.gpus import GPU_MEMORY

VOLUME_TYPES: tuple[VolumeType, ...] = get_args(VolumeType)
"""The storage tiers of network volumes, which every data center has here."""

_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class CatalogGpuType:
    """One GPU type. ``memory`` in GB."""

    id: str
    pool: str
    memory: int

    @property
    def name(self) -> str:
        """Its short name, such as ``RTX 4090``."""
        return self.id.removeprefix("NVIDIA ").removeprefix("GeForce ")

    @property
    def price(self) -> float | None:
        """Serverless price in USD per hour; None where none is published."""
        rate = _RATES.get(self.pool)
        return None if rate is None else round(rate * _SECONDS_PER_HOUR, 4)


@dataclass(frozen=True)
class CpuFlavor:
    """One CPU flavor. ``price`` in USD per vCPU and hour."""

    id: str
    name: str
    group: str
    min_vcpus: int = 2
    max_vcpus: int = 32
    price: float = 0.03

    @property
    def gb_per_vcpu(self) -> int:
        """GB of memory for each vCPU."""
        return GB_PER_VCPU[self.id]


@dataclass(frozen=True)
class CatalogDataCenter:
    """One data center."""

    id: str
    name: str
    region: str
    has_cpus: bool


# USD per second and GPU (Runpod docs, serverless pricing: flex workers).
_RATES: Mapping[str, float] = MappingProxyType(
    {
        "AMPERE_16": 0.00016,
        "AMPERE_24": 0.00019,
        "ADA_24": 0.00031,
        "AMPERE_48": 0.00034,
        "ADA_48_PRO": 0.00053,
        "AMPERE_80": 0.00076,
        "ADA_80_PRO": 0.00116,
        "BLACKWELL_96": 0.00111,
        "HOPPER_141": 0.00155,
        "BLACKWELL_180": 0.00240,
    }
)

GPUS: Mapping[str, CatalogGpuType] = MappingProxyType(
    {
        name: CatalogGpuType(name, pool.value, memory)
        for pool, types in GPU_MEMORY.items()
        for name, memory in types.items()
    }
)
"""The GPU types of the serverless pools, by id."""

CPUS: Mapping[str, CpuFlavor] = MappingProxyType(
    {
        flavor.id: flavor
        for flavor in (
            CpuFlavor("cpu3g", "General Purpose", "Gen 3"),
            CpuFlavor("cpu3c", "Compute-Optimized", "Gen 3"),
            CpuFlavor("cpu5g", "General Purpose", "Gen 5"),
            CpuFlavor("cpu5c", "Compute-Optimized", "Gen 5"),
        )
    }
)
"""The CPU flavors, by id. Bounds and price are the examples of the REST v2 schema."""

_REGIONS = {
    "US": "NORTH_AMERICA",
    "CA": "NORTH_AMERICA",
    "EU": "EUROPE",
    "EUR": "EUROPE",
    "AP": "ASIA",
    "OC": "OCEANIA",
}

_PLACES: Mapping[DataCenter, str] = {
    DataCenter.US_CA_2: "California",
    DataCenter.US_DE_1: "Delaware",
    DataCenter.US_GA_1: "Georgia",
    DataCenter.US_GA_2: "Georgia",
    DataCenter.US_IL_1: "Illinois",
    DataCenter.US_KS_2: "Kansas",
    DataCenter.US_KS_3: "Kansas",
    DataCenter.US_MD_1: "Maryland",
    DataCenter.US_MO_1: "Missouri",
    DataCenter.US_MO_2: "Missouri",
    DataCenter.US_NC_1: "North Carolina",
    DataCenter.US_NC_2: "North Carolina",
    DataCenter.US_NE_1: "Nebraska",
    DataCenter.US_TX_1: "Texas",
    DataCenter.US_TX_3: "Texas",
    DataCenter.US_TX_4: "Texas",
    DataCenter.US_WA_1: "Washington",
    DataCenter.CA_MTL_1: "Montreal",
    DataCenter.CA_MTL_2: "Montreal",
    DataCenter.CA_MTL_3: "Montreal",
    DataCenter.EU_CZ_1: "Czechia",
    DataCenter.EU_FR_1: "France",
    DataCenter.EU_NL_1: "Netherlands",
    DataCenter.EU_RO_1: "Romania",
    DataCenter.EU_SE_1: "Sweden",
    DataCenter.EUR_IS_1: "Iceland",
    DataCenter.EUR_IS_2: "Iceland",
    DataCenter.EUR_IS_3: "Iceland",
    DataCenter.EUR_NO_1: "Norway",
    DataCenter.AP_JP_1: "Japan",
    DataCenter.OC_AU_1: "Australia",
}


def _data_center(center: DataCenter) -> CatalogDataCenter:
    area, _, number = center.value.split("-")
    return CatalogDataCenter(
        id=center.value,
        name=f"{area} {_PLACES[center]} {number}",
        region=_REGIONS[area],
        has_cpus=center in CPU_DATA_CENTERS,
    )


DATA_CENTERS: Mapping[str, CatalogDataCenter] = MappingProxyType(
    {center.value: _data_center(center) for center in DataCenter}
)
"""The data centers that any of Runpod's documents names, by id."""
