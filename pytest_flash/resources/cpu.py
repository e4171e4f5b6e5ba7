"""The CPU instances that a resource may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..wire.choices import some_of
from ..wire.cpus import CpuInstanceType

_choose = some_of("a CPU instance", CpuInstanceType)


def usable_instances(value: object) -> tuple[CpuInstanceType, ...]:
    """The instances that ``value`` names, one or several.

    Raises ValueError for unknown ones and for none at all.
    """
    instances = tuple(CpuInstanceType(instance) for instance in _choose(value))
    if not instances:
        raise ValueError("names no CPU instance; leave it out for cpu3g-2-8")
    return instances


def enlarge(said: dict[str, Any]) -> Iterator[str]:
    """Replace those of ``instanceIds`` that REST v2 cannot order (schema ``BaseCpuConfig``: a power
    of two, at least 2 vCPUs) by the next larger ones; says so."""
    try:
        instances = [CpuInstanceType(each) for each in _choose(said["instanceIds"])]
    except (KeyError, ValueError):
        return  # The field's own check tells what is wrong.
    found = [_orderable(each) for each in instances]
    said["instanceIds"] = list(dict.fromkeys(found))
    for small, large in zip(instances, found, strict=True):
        if small is not large:
            yield (
                f"{str(large)!r} is used for {str(small)!r}: Runpod's REST API orders 2 vCPUs or "
                "more"
            )


def _orderable(instance: CpuInstanceType) -> CpuInstanceType:
    same = (each for each in CpuInstanceType if each.flavor == instance.flavor)
    return next(each for each in same if each.vcpus >= max(instance.vcpus, 2))
