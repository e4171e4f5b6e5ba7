"""The CPU instances that a resource may ask for."""

from __future__ import annotations

from ..wire.cpus import CpuInstanceType
from .choices import some_of

_choose = some_of("a CPU instance", CpuInstanceType)


def usable_instances(value: object) -> tuple[CpuInstanceType, ...]:
    """The instances that ``value`` names, one or several.

    Raises ValueError for unknown ones, for none at all, and for those with one vCPU, which
    REST v2 cannot order (schema ``BaseCpuConfig``: a power of two, at least 2).
    """
    instances = tuple(CpuInstanceType(instance) for instance in _choose(value))
    if not instances:
        raise ValueError("names no CPU instance; leave it out for cpu3g-2-8")
    too_small = [instance for instance in instances if instance.vcpus < 2]
    if too_small:
        raise ValueError("; ".join(map(_too_small, too_small)))
    return instances


def _too_small(instance: CpuInstanceType) -> str:
    larger = next(
        each for each in CpuInstanceType if each.flavor == instance.flavor and each.vcpus == 2
    )
    return (
        f"{str(instance)!r} has 1 vCPU and Runpod's REST API orders 2 or more; "
        f"the nearest is {str(larger)!r}"
    )
