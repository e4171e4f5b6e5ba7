"""What the catalog lists: GPU types, CPU flavors and data centers, with what is known of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from .hardware_names import GB_PER_VCPU

CUDA_VERSIONS = (
    *("11.8", "12.0", "12.1", "12.2", "12.3", "12.4", "12.5", "12.6", "12.7", "12.8", "12.9"),
    "13.0",
)
"""The CUDA versions that endpoints may ask for (Flash SDK 1.19)."""

VolumeType = Literal["STANDARD", "HIGH_PERFORMANCE"]

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

# A type is listed in one pool only. Where sources disagree it is the official SDK's (1.19), which
# for those that its map leaves out (L40, L40S, H100 PCIe, H100 NVL) is that of its documentation.
_GPUS: Mapping[str, Mapping[str, int]] = {
    "AMPERE_16": {
        "NVIDIA RTX A4000": 16,
        "NVIDIA RTX A4500": 20,
        "NVIDIA RTX 4000 Ada Generation": 20,
        "NVIDIA RTX 2000 Ada Generation": 16,
    },
    "AMPERE_24": {"NVIDIA RTX A5000": 24, "NVIDIA L4": 24, "NVIDIA GeForce RTX 3090": 24},
    "ADA_24": {"NVIDIA GeForce RTX 4090": 24},
    "ADA_32_PRO": {"NVIDIA GeForce RTX 5090": 32},
    "AMPERE_48": {"NVIDIA A40": 48, "NVIDIA RTX A6000": 48},
    "ADA_48_PRO": {"NVIDIA RTX 6000 Ada Generation": 48, "NVIDIA L40": 48, "NVIDIA L40S": 48},
    "AMPERE_80": {"NVIDIA A100 80GB PCIe": 80, "NVIDIA A100-SXM4-80GB": 80},
    "ADA_80_PRO": {
        "NVIDIA H100 80GB HBM3": 80,
        "NVIDIA H100 PCIe": 80,
        "NVIDIA H100 NVL": 94,
    },
    "BLACKWELL_96": {
        "NVIDIA RTX PRO 6000 Blackwell Server Edition": 96,
        "NVIDIA RTX PRO 6000 Blackwell Workstation Edition": 96,
        "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition": 96,
    },
    "HOPPER_141": {"NVIDIA H200": 141},
    "BLACKWELL_180": {"NVIDIA B200": 180},
}

GPUS: Mapping[str, CatalogGpuType] = MappingProxyType(
    {
        name: CatalogGpuType(name, pool, memory)
        for pool, types in _GPUS.items()
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

_PLACES: Mapping[str, str] = {
    "US-CA-2": "California",
    "US-DE-1": "Delaware",
    "US-GA-1": "Georgia",
    "US-GA-2": "Georgia",
    "US-IL-1": "Illinois",
    "US-KS-2": "Kansas",
    "US-KS-3": "Kansas",
    "US-MD-1": "Maryland",
    "US-MO-1": "Missouri",
    "US-MO-2": "Missouri",
    "US-NC-1": "North Carolina",
    "US-NC-2": "North Carolina",
    "US-NE-1": "Nebraska",
    "US-TX-1": "Texas",
    "US-TX-3": "Texas",
    "US-TX-4": "Texas",
    "US-WA-1": "Washington",
    "CA-MTL-1": "Montreal",
    "CA-MTL-2": "Montreal",
    "CA-MTL-3": "Montreal",
    "EU-CZ-1": "Czechia",
    "EU-FR-1": "France",
    "EU-NL-1": "Netherlands",
    "EU-RO-1": "Romania",
    "EU-SE-1": "Sweden",
    "EUR-IS-1": "Iceland",
    "EUR-IS-2": "Iceland",
    "EUR-IS-3": "Iceland",
    "EUR-NO-1": "Norway",
    "AP-JP-1": "Japan",
    "OC-AU-1": "Australia",
}

# Flash SDK 1.19 refuses any other one for CPU workers.
_WITH_CPUS = ("EU-RO-1",)


def _data_center(identifier: str, place: str) -> CatalogDataCenter:
    area, _, number = identifier.split("-")
    return CatalogDataCenter(
        id=identifier,
        name=f"{area} {place} {number}",
        region=_REGIONS[area],
        has_cpus=identifier in _WITH_CPUS,
    )


DATA_CENTERS: Mapping[str, CatalogDataCenter] = MappingProxyType(
    {identifier: _data_center(identifier, place) for identifier, place in _PLACES.items()}
)
"""The data centers that any of Runpod's documents names, by id."""
