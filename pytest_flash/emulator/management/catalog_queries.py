"""What a request to the catalog asks for, by the rules of REST v2.

A value that the schema forbids is a 422; parameters that do not go together are a 400, and so are
the filters that no client of Runpod's is known to send.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from ..server.http_errors import HttpError

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams

# Longer numbers are no counts, and Python refuses to read the longest.
_WHOLE = re.compile(r"[0-9]{1,9}")

GPU_FILTERS = ("countryCodes", "cudaVersions", "minCudaVersion")
"""What Runpod can narrow its GPUs by, and the embedded one does not."""
_CENTER_FILTERS = ("include", "regions", "networkVolumeTypes", "compliance", "globalNetwork")


@dataclass(frozen=True)
class CpuAvailability:
    """For what the availability of CPUs is asked."""

    products: frozenset[str]
    vcpus: int


def gpu_availability(query: QueryParams) -> frozenset[str] | None:
    """The products for which ``query`` asks whether a GPU type is available; None when for none."""
    products = _choices(query, "product", ("POD", "CLUSTER", "SERVERLESS"))
    # Every GPU is there in any number and in either cloud: these two have no effect.
    _whole(query, "count", least=1)
    _choices(query, "cloud", ("SECURE", "COMMUNITY"), most=1)
    _refuse(query, GPU_FILTERS)
    return products if _wants_availability(query, ("count", "cloud")) else None


def cpu_availability(query: QueryParams) -> CpuAvailability | None:
    """What ``query`` asks about CPU flavors; None when not for their availability."""
    products = _choices(query, "product", ("POD", "SERVERLESS"))
    vcpus = _whole(query, "vcpuCount", least=2)
    if not _wants_availability(query, ("vcpuCount",)):
        return None
    if vcpus is not None and vcpus & (vcpus - 1):
        raise HttpError(400, f"vcpuCount must be a power of two, not {vcpus}")
    return CpuAvailability(products, vcpus or 2)


def check_data_centers(query: QueryParams) -> None:
    """Raise HttpError 400 for a query that asks for more than the data centers as they are."""
    _refuse(query, _CENTER_FILTERS)


def check_template_source(query: QueryParams) -> None:
    """Raise HttpError 422 for a source of templates that does not exist."""
    _choices(query, "source", ("official", "verified", "community"), most=1)


def _refuse(query: QueryParams, names: Collection[str]) -> None:
    for name in names:
        if name in query:
            raise HttpError(
                400,
                f"the embedded Runpod's catalog has no {name}: leave it out, and look through"
                " what is listed",
            )


def _wants_availability(query: QueryParams, filters: tuple[str, ...]) -> bool:
    """Whether availability is asked for, and asked for as the rules want it."""
    if _choices(query, "include", ("AVAILABILITY",), most=1):
        if "product" not in query:
            raise HttpError(400, "include=AVAILABILITY requires product")
        return True
    for name in ("product", *filters):
        if name in query:
            raise HttpError(400, f"{name} is valid only with include=AVAILABILITY")
    return False


def _choices(
    query: QueryParams, name: str, allowed: Collection[str], *, most: int | None = None
) -> frozenset[str]:
    values = [item for value in query.getlist(name) for item in value.split(",")]
    if most is not None and len(values) > most:
        _invalid(name, f"has {len(values)} values, which is more than {most}")
    for value in values:
        if value not in allowed:
            _invalid(name, f"{value!r} is none of {', '.join(allowed)}")
    return frozenset(values)


def _whole(query: QueryParams, name: str, *, least: int) -> int | None:
    value = query.get(name)
    if value is None:
        return None
    if not _WHOLE.fullmatch(value) or int(value) < least:
        _invalid(name, f"{value!r} is not a whole number of at least {least}")
    return int(value)


def _invalid(name: str, problem: str) -> NoReturn:
    raise HttpError(422, "Request validation failed.", errors=(f"query.{name}: {problem}",))
