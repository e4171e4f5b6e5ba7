"""GPU pools, GPU types and CUDA versions of Runpod Serverless."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from .choices import Choice, comma_list, some_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


class GpuGroup(Choice):
    """A serverless GPU pool: workers run on whichever of its GPUs has capacity.

    The names are the pool ids of Runpod's REST v2; the number is the GPU's memory in GB.
    """

    @classmethod
    def all(cls) -> list[GpuGroup]:
        """Every pool, without ``ANY``."""
        return [each for each in cls if each is not cls.ANY]

    @staticmethod
    def to_gpu_ids_str(gpus: Iterable[GpuGroup | GpuType]) -> str:
        """``gpus`` in Runpod's own form: pools, and with a ``-`` the types that they exclude."""
        pools: dict[GpuGroup, set[GpuType]] = {}
        for each in gpus:
            pool = pool_of(each) if isinstance(each, GpuType) else each
            within = {each} if isinstance(each, GpuType) else set(POOL_TYPES.get(pool, ()))
            for one in GpuGroup.all() if pool is GpuGroup.ANY else [pool]:
                taken = set(POOL_TYPES[one]) if pool is GpuGroup.ANY else within
                pools[one] = pools.get(one, set()) | taken
        parts = []
        for pool, taken in pools.items():
            parts += [pool, *(f"-{each}" for each in POOL_TYPES[pool] if each not in taken)]
        return ",".join(map(str, parts))

    @classmethod
    def from_gpu_ids_str(cls, gpu_ids: str) -> list[GpuGroup | GpuType]:
        """The pools and types that Runpod's own form names."""
        return gpus_of(gpu_ids)

    ANY = "any"
    AMPERE_16 = "AMPERE_16"
    AMPERE_24 = "AMPERE_24"
    ADA_24 = "ADA_24"
    ADA_32_PRO = "ADA_32_PRO"
    AMPERE_48 = "AMPERE_48"
    ADA_48_PRO = "ADA_48_PRO"
    AMPERE_80 = "AMPERE_80"
    ADA_80_PRO = "ADA_80_PRO"
    BLACKWELL_96 = "BLACKWELL_96"
    HOPPER_141 = "HOPPER_141"
    BLACKWELL_180 = "BLACKWELL_180"


class GpuType(Choice):
    """One GPU model, by Runpod's GPU type id."""

    @classmethod
    def all(cls) -> list[GpuType]:
        """Every model, without ``ANY``."""
        return [each for each in cls if each is not cls.ANY]

    @classmethod
    def is_gpu_type(cls, gpu_id: str) -> bool:
        """Whether ``gpu_id`` is the id of a model."""
        return any(each.value == gpu_id for each in cls.all())

    ANY = "any"
    NVIDIA_RTX_A4000 = "NVIDIA RTX A4000"
    NVIDIA_RTX_A4500 = "NVIDIA RTX A4500"
    NVIDIA_RTX_4000_ADA_GENERATION = "NVIDIA RTX 4000 Ada Generation"
    NVIDIA_RTX_2000_ADA_GENERATION = "NVIDIA RTX 2000 Ada Generation"
    NVIDIA_RTX_A5000 = "NVIDIA RTX A5000"
    NVIDIA_L4 = "NVIDIA L4"
    NVIDIA_GEFORCE_RTX_3090 = "NVIDIA GeForce RTX 3090"
    NVIDIA_GEFORCE_RTX_4090 = "NVIDIA GeForce RTX 4090"
    NVIDIA_GEFORCE_RTX_5090 = "NVIDIA GeForce RTX 5090"
    NVIDIA_A40 = "NVIDIA A40"
    NVIDIA_RTX_A6000 = "NVIDIA RTX A6000"
    NVIDIA_RTX_6000_ADA_GENERATION = "NVIDIA RTX 6000 Ada Generation"
    NVIDIA_L40 = "NVIDIA L40"
    NVIDIA_L40S = "NVIDIA L40S"
    NVIDIA_A100_80GB_PCIe = "NVIDIA A100 80GB PCIe"
    NVIDIA_A100_SXM4_80GB = "NVIDIA A100-SXM4-80GB"
    NVIDIA_H100_80GB_HBM3 = "NVIDIA H100 80GB HBM3"
    NVIDIA_RTX_PRO_6000_BLACKWELL_SERVER_EDITION = "NVIDIA RTX PRO 6000 Blackwell Server Edition"
    NVIDIA_RTX_PRO_6000_BLACKWELL_WORKSTATION_EDITION = (
        "NVIDIA RTX PRO 6000 Blackwell Workstation Edition"
    )
    NVIDIA_RTX_PRO_6000_BLACKWELL_MAX_Q_WORKSTATION_EDITION = (
        "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition"
    )
    NVIDIA_H200 = "NVIDIA H200"
    NVIDIA_B200 = "NVIDIA B200"


class CudaVersion(Choice):
    """A CUDA version that a worker's machine offers."""

    V11_8 = "11.8"
    V12_0 = "12.0"
    V12_1 = "12.1"
    V12_2 = "12.2"
    V12_3 = "12.3"
    V12_4 = "12.4"
    V12_5 = "12.5"
    V12_6 = "12.6"
    V12_7 = "12.7"
    V12_8 = "12.8"
    V12_9 = "12.9"
    V13_0 = "13.0"


# A type is in one pool only. Where sources disagree it is the official SDK's (1.19); for those that
# its map leaves out (L40, L40S, H100 PCIe, H100 NVL) it is that of Runpod docs, gpu-types. Not to
# exclude an L40 would give one to who asked for an RTX 6000.
GPU_MEMORY: Mapping[GpuGroup, Mapping[str, int]] = MappingProxyType(
    {
        GpuGroup.AMPERE_16: {
            "NVIDIA RTX A4000": 16,
            "NVIDIA RTX A4500": 20,
            "NVIDIA RTX 4000 Ada Generation": 20,
            "NVIDIA RTX 2000 Ada Generation": 16,
        },
        GpuGroup.AMPERE_24: {
            "NVIDIA RTX A5000": 24,
            "NVIDIA L4": 24,
            "NVIDIA GeForce RTX 3090": 24,
        },
        GpuGroup.ADA_24: {"NVIDIA GeForce RTX 4090": 24},
        GpuGroup.ADA_32_PRO: {"NVIDIA GeForce RTX 5090": 32},
        GpuGroup.AMPERE_48: {"NVIDIA A40": 48, "NVIDIA RTX A6000": 48},
        GpuGroup.ADA_48_PRO: {
            "NVIDIA RTX 6000 Ada Generation": 48,
            "NVIDIA L40": 48,
            "NVIDIA L40S": 48,
        },
        GpuGroup.AMPERE_80: {"NVIDIA A100 80GB PCIe": 80, "NVIDIA A100-SXM4-80GB": 80},
        GpuGroup.ADA_80_PRO: {
            "NVIDIA H100 80GB HBM3": 80,
            "NVIDIA H100 PCIe": 80,
            "NVIDIA H100 NVL": 94,
        },
        GpuGroup.BLACKWELL_96: {
            "NVIDIA RTX PRO 6000 Blackwell Server Edition": 96,
            "NVIDIA RTX PRO 6000 Blackwell Workstation Edition": 96,
            "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition": 96,
        },
        GpuGroup.HOPPER_141: {"NVIDIA H200": 141},
        GpuGroup.BLACKWELL_180: {"NVIDIA B200": 180},
    }
)
"""The GPU type ids of each pool, with their memory in GB."""

_NAMED = {each.value: each for each in GpuType}

POOL_TYPES: Mapping[GpuGroup, tuple[GpuType, ...]] = MappingProxyType(
    {
        pool: tuple(_NAMED[name] for name in types if name in _NAMED)
        for pool, types in GPU_MEMORY.items()
    }
)
"""Which GPU types each pool holds, of those that a resource may name."""

_ALSO = {GpuGroup.AMPERE_24: {"NVIDIA RTX A4500"}, GpuGroup.ADA_24: {"NVIDIA L4"}}

ACCEPTED_TYPES: Mapping[str, frozenset[str]] = MappingProxyType(
    {pool.value: frozenset(types) | _ALSO.get(pool, set()) for pool, types in GPU_MEMORY.items()}
)
"""Pools and the types that one source or another puts in them, by their ids: Runpod docs and the
official SDK disagree about A4500 and L4, so an endpoint request may have each in both."""


def pool_of(gpu: GpuType) -> GpuGroup:
    """The pool that holds ``gpu``; ``GpuType.ANY`` is in ``GpuGroup.ANY``."""
    for pool, types in POOL_TYPES.items():
        if gpu in types:
            return pool
    return GpuGroup.ANY


def gpus_of(ids: object) -> list[GpuGroup | GpuType]:
    """What ``gpuIds``, Runpod's own form, names: pools and types with commas between them, and
    with a ``-`` types that are excluded.

    Raises ValueError for anything else.
    """
    named = _choose(ids if not isinstance(ids, str) else ids.replace(",-", ",").lstrip("-"))
    parts = [each.strip() for each in ids.split(",")] if isinstance(ids, str) else []
    excluded = {each.removeprefix("-") for each in parts if each.startswith("-")}
    found: list[GpuGroup | GpuType] = []
    for each in named:
        if each.value in excluded:
            continue
        types = POOL_TYPES.get(each, ()) if isinstance(each, GpuGroup) else ()
        kept = [one for one in types if one.value not in excluded]
        found += [each] if len(kept) == len(types) else kept
    return found


_choose: Callable[[object], Sequence[GpuGroup | GpuType]] = comma_list(
    some_of("a GPU group or type", GpuGroup, GpuType)
)
