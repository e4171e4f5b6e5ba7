"""What a request to the catalog asks for, by the rules of REST v2.

A value that the schema forbids is a 422; parameters that do not go together are a 400.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from ..account.catalog_data import VOLUME_TYPES
from ..server.http_errors import HttpError

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams

_COUNTRY = re.compile(r"[A-Z]{2}")
# Longer numbers are no versions, and Python refuses to read the longest.
_VERSION = re.compile(r"[0-9]{1,9}\.[0-9]{1,9}")
_FLOOR = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_WHOLE = re.compile(r"[0-9]{1,9}")

REGIONS = (
    *("NORTH_AMERICA", "SOUTH_AMERICA", "EUROPE", "ASIA", "MIDDLE_EAST", "AFRICA", "OCEANIA"),
    *("ANTARCTICA", "UNKNOWN"),
)
COMPLIANCE = (
    *("GDPR", "ISO_IEC_27001", "ISO_14001", "PCI_DSS", "HITRUST", "SOC_1_TYPE_2", "SOC_2_TYPE_2"),
    *("SOC_3_TYPE_2", "ITAR", "FISMA_HIGH", "HIPAA", "RENEWABLE"),
)


@dataclass(frozen=True)
class GpuAvailability:
    """For what the availability of GPUs is asked. ``countries`` empty: anywhere."""

    products: frozenset[str]
    countries: frozenset[str]
    accepts_cuda: Callable[[str], bool]


@dataclass(frozen=True)
class CpuAvailability:
    """For what the availability of CPUs is asked."""

    products: frozenset[str]
    vcpus: int


@dataclass(frozen=True)
class DataCenterFilter:
    """Which data centers are asked for. Empty sets and None stand for any."""

    regions: frozenset[str]
    volume_types: frozenset[str]
    compliance: frozenset[str]
    global_network: bool | None


def gpu_availability(query: QueryParams) -> GpuAvailability | None:
    """What ``query`` asks about GPU types; None when not for their availability."""
    products = _choices(query, "product", ("POD", "CLUSTER", "SERVERLESS"))
    countries = _matches(query, "countryCodes", _COUNTRY)
    versions = _matches(query, "cudaVersions", _VERSION)
    floor = query.get("minCudaVersion")
    if floor is not None and not _FLOOR.fullmatch(floor):
        _invalid("minCudaVersion", f"{floor!r} is no CUDA version, such as 12.1 or 12")
    # Every GPU is there in any number and in either cloud: these two have no effect.
    _whole(query, "count", least=1)
    _choices(query, "cloud", ("SECURE", "COMMUNITY"), most=1)
    filters = ("count", "cloud", "countryCodes", "cudaVersions", "minCudaVersion")
    if not _wants_availability(query, filters):
        return None
    if versions and floor:
        raise HttpError(400, "cudaVersions and minCudaVersion exclude each other")
    return GpuAvailability(products, countries, _cuda_filter(versions, floor))


def cpu_availability(query: QueryParams) -> CpuAvailability | None:
    """What ``query`` asks about CPU flavors; None when not for their availability."""
    products = _choices(query, "product", ("POD", "SERVERLESS"))
    vcpus = _whole(query, "vcpuCount", least=2)
    if not _wants_availability(query, ("vcpuCount",)):
        return None
    if vcpus is not None and vcpus & (vcpus - 1):
        raise HttpError(400, f"vcpuCount must be a power of two, not {vcpus}")
    return CpuAvailability(products, vcpus or 2)


def data_center_expansions(query: QueryParams) -> frozenset[str]:
    """What ``query`` wants added to each data center: GPU_AVAILABILITY, CPU_AVAILABILITY."""
    return _choices(query, "include", ("GPU_AVAILABILITY", "CPU_AVAILABILITY"))


def data_center_filter(query: QueryParams) -> DataCenterFilter:
    """Which data centers ``query`` asks for."""
    network = query.get("globalNetwork")
    if network not in (None, "true", "false"):
        _invalid("globalNetwork", f"{network!r} is neither true nor false")
    return DataCenterFilter(
        regions=_choices(query, "regions", REGIONS),
        volume_types=_choices(query, "networkVolumeTypes", VOLUME_TYPES),
        compliance=_choices(query, "compliance", COMPLIANCE),
        global_network=None if network is None else network == "true",
    )


def check_template_source(query: QueryParams) -> None:
    """Raise HttpError 422 for a source of templates that does not exist."""
    _choices(query, "source", ("official", "verified", "community"), most=1)


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


def _cuda_filter(versions: frozenset[str], floor: str | None) -> Callable[[str], bool]:
    if versions:
        return lambda version: version in versions
    if floor:
        lowest = _numbers(floor)
        return lambda version: _numbers(version) >= lowest
    return lambda _: True


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _choices(
    query: QueryParams, name: str, allowed: Collection[str], *, most: int | None = None
) -> frozenset[str]:
    values = _items(query, name)
    if most is not None and len(values) > most:
        _invalid(name, f"has {len(values)} values, which is more than {most}")
    for value in values:
        if value not in allowed:
            _invalid(name, f"{value!r} is none of {', '.join(allowed)}")
    return frozenset(values)


def _matches(query: QueryParams, name: str, pattern: re.Pattern[str]) -> frozenset[str]:
    values = _items(query, name)
    for value in values:
        if not pattern.fullmatch(value):
            _invalid(name, f"{value!r} does not match ^{pattern.pattern}$")
    return frozenset(values)


def _whole(query: QueryParams, name: str, *, least: int) -> int | None:
    value = query.get(name)
    if value is None:
        return None
    if not _WHOLE.fullmatch(value) or int(value) < least:
        _invalid(name, f"{value!r} is no whole number from {least} on")
    return int(value)


def _items(query: QueryParams, name: str) -> list[str]:
    return [item for value in query.getlist(name) for item in value.split(",")]


def _invalid(name: str, problem: str) -> NoReturn:
    raise HttpError(422, "Request validation failed.", errors=(f"query.{name}: {problem}",))
