"""The data centers that a resource may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..wire.choices import comma_list, some_of
from ..wire.data_centers import CPU_DATA_CENTERS, DataCenter

_choose = comma_list(some_of("a data center", DataCenter))


def move_to_cpus(said: dict[str, Any]) -> Iterator[str]:
    """Replace data centers that have no serverless CPU workers, of those that ``said`` names in
    ``datacenter`` and ``locations``, by one that has; says so."""
    for field in ("datacenter", "locations"):
        try:
            named = _choose(said.get(field, ()))
        except ValueError:
            continue  # The field's own check tells what is wrong.
        elsewhere = [each for each in named if each not in CPU_DATA_CENTERS]
        if elsewhere:
            kept = [each for each in named if each in CPU_DATA_CENTERS] or sorted(CPU_DATA_CENTERS)
            said[field] = kept
            yield (
                f"{', '.join(kept)} is used for {', '.join(elsewhere)}, which has no serverless "
                "CPU workers"
            )
