"""The hardware names that endpoint requests may use."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

POOLS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "AMPERE_16": frozenset(
            {
                "NVIDIA RTX A4000",
                "NVIDIA RTX A4500",
                "NVIDIA RTX 4000 Ada Generation",
                "NVIDIA RTX 2000 Ada Generation",
            }
        ),
        "AMPERE_24": frozenset(
            {"NVIDIA RTX A4500", "NVIDIA RTX A5000", "NVIDIA L4", "NVIDIA GeForce RTX 3090"}
        ),
        "ADA_24": frozenset({"NVIDIA GeForce RTX 4090", "NVIDIA L4"}),
        "ADA_32_PRO": frozenset({"NVIDIA GeForce RTX 5090"}),
        "AMPERE_48": frozenset({"NVIDIA A40", "NVIDIA RTX A6000"}),
        "ADA_48_PRO": frozenset({"NVIDIA RTX 6000 Ada Generation", "NVIDIA L40", "NVIDIA L40S"}),
        "AMPERE_80": frozenset({"NVIDIA A100 80GB PCIe", "NVIDIA A100-SXM4-80GB"}),
        "ADA_80_PRO": frozenset({"NVIDIA H100 80GB HBM3", "NVIDIA H100 PCIe", "NVIDIA H100 NVL"}),
        "BLACKWELL_96": frozenset(
            {
                "NVIDIA RTX PRO 6000 Blackwell Server Edition",
                "NVIDIA RTX PRO 6000 Blackwell Workstation Edition",
                "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition",
            }
        ),
        "HOPPER_141": frozenset({"NVIDIA H200"}),
        "BLACKWELL_180": frozenset({"NVIDIA B200"}),
    }
)
"""GPU pools and the types that one source or another puts in them (Runpod docs, gpu-types, and
the Flash SDK 1.19; they disagree about A4500, L4, L40 and H100, so each is accepted in both)."""

GB_PER_VCPU: Mapping[str, int] = MappingProxyType({"cpu3g": 4, "cpu3c": 2, "cpu5c": 2, "cpu5g": 4})
"""Memory of the CPU flavors (Flash SDK 1.19; that of ``cpu5g`` is not documented and taken from
``cpu3g``)."""
