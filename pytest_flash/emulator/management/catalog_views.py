"""What the catalog answers: GPU types, CPU flavors and data centers (REST v2 schemas)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ...wire.gpus import CudaVersion
from ..account.catalog_data import (
    CPUS,
    DATA_CENTERS,
    GPUS,
    VOLUME_TYPES,
    CatalogDataCenter,
    CatalogGpuType,
    CpuFlavor,
)
from ..server.http_errors import HttpError
from .catalog_queries import (
    CpuAvailability,
    DataCenterFilter,
    GpuAvailability,
    cpu_availability,
    data_center_expansions,
    data_center_filter,
    gpu_availability,
)

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams

T = TypeVar("T")

# Each of these raises HttpError 400 or 422 for a query that REST v2 refuses.


def gpus(query: QueryParams) -> dict[str, Any]:
    """Schema ``ListGpuTypesResponse``: without GPU types that are in none of the countries."""
    asked = gpu_availability(query)
    if asked is not None and not _centers_in(asked.countries):
        return {"gpus": []}
    return {"gpus": [_gpu(gpu, asked) for gpu in GPUS.values()]}


def gpu(gpu_id: str, query: QueryParams) -> dict[str, Any]:
    """Schema ``GpuType``. Raises HttpError 404 for one that does not exist."""
    return _gpu(_known(GPUS, gpu_id, "GPU type"), gpu_availability(query))


def cpus(query: QueryParams) -> dict[str, Any]:
    """Schema ``ListCpuTypesResponse``."""
    asked = cpu_availability(query)
    return {"cpus": [_cpu(flavor, asked) for flavor in CPUS.values()]}


def cpu(flavor_id: str, query: QueryParams) -> dict[str, Any]:
    """Schema ``CpuType``. Raises HttpError 404 for one that does not exist."""
    return _cpu(_known(CPUS, flavor_id, "CPU flavor"), cpu_availability(query))


def data_centers(query: QueryParams) -> dict[str, Any]:
    """Schema ``ListDataCentersResponse``."""
    wanted, expansions = data_center_filter(query), data_center_expansions(query)
    documents = [_data_center(center, expansions) for center in DATA_CENTERS.values()]
    return {"dataCenters": [document for document in documents if _matches(document, wanted)]}


def data_center(center_id: str, query: QueryParams) -> dict[str, Any]:
    """Schema ``DataCenter``. Raises HttpError 404 for one that does not exist."""
    center = _known(DATA_CENTERS, center_id, "data center")
    return _data_center(center, data_center_expansions(query))


def _gpu(gpu: CatalogGpuType, asked: GpuAvailability | None) -> dict[str, Any]:
    # There are no pods here: what concerns them is false or 0.
    price: dict[str, float] = {"secure": 0, "community": 0}
    if gpu.price is not None:
        price["serverless"] = gpu.price
    document: dict[str, Any] = {
        "id": gpu.id,
        "name": gpu.name,
        "pool": gpu.pool,
        "manufacturer": "NVIDIA",
        "memory": gpu.memory,
        "secure": False,
        "community": False,
        "price": price,
        "maxCount": {"secure": 0, "community": 0},
    }
    if asked is None:
        return document
    versions = [version for version in map(str, CudaVersion) if asked.accepts_cuda(version)]
    offered = "SERVERLESS" in asked.products and bool(versions)
    centers = _centers_in(asked.countries) if offered else []
    document["cudaVersions"] = [
        {"version": version, "available": bool(centers)} for version in versions
    ]
    return {**document, **_availability(centers)}


def _cpu(flavor: CpuFlavor, asked: CpuAvailability | None) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": flavor.id,
        "name": flavor.name,
        "group": flavor.group,
        "vcpu": {"min": flavor.min_vcpus, "max": flavor.max_vcpus},
        "ramGbPerVcpu": flavor.gb_per_vcpu,
        "price": {"securePerVcpu": 0, "serverlessPerVcpu": flavor.price},
    }
    if asked is None:
        return document
    offered = "SERVERLESS" in asked.products and asked.vcpus <= flavor.max_vcpus
    centers = [each for each in DATA_CENTERS.values() if each.has_cpus] if offered else []
    return {**document, **_availability(centers)}


def _data_center(center: CatalogDataCenter, expansions: frozenset[str]) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": center.id,
        "name": center.name,
        "region": center.region,
        "networkVolumeTypes": list(VOLUME_TYPES),
        "compliance": [],
        "globalNetwork": False,
    }
    if "GPU_AVAILABILITY" in expansions:
        document["gpuAvailability"] = [_available(gpu) for gpu in GPUS.values()]
    if "CPU_AVAILABILITY" in expansions and center.has_cpus:
        document["cpuAvailability"] = [_available(flavor) for flavor in CPUS.values()]
    return document


def _availability(centers: list[CatalogDataCenter]) -> dict[str, Any]:
    """What availability adds to a document; the data centers are left out where there is none."""
    if not centers:
        return {"availability": "NONE"}
    return {"availability": "HIGH", "dataCenters": [_available(center) for center in centers]}


def _available(item: CatalogGpuType | CpuFlavor | CatalogDataCenter) -> dict[str, str]:
    return {"id": item.id, "name": item.name, "availability": "HIGH"}


def _centers_in(countries: frozenset[str]) -> list[CatalogDataCenter]:
    centers = DATA_CENTERS.values()
    return [center for center in centers if not countries or center.country in countries]


def _matches(document: dict[str, Any], wanted: DataCenterFilter) -> bool:
    return (
        (not wanted.regions or document["region"] in wanted.regions)
        and wanted.volume_types <= set(document["networkVolumeTypes"])
        and wanted.compliance <= set(document["compliance"])
        and wanted.global_network in (None, document["globalNetwork"])
    )


def _known(table: Mapping[str, T], identifier: str, what: str) -> T:
    try:
        return table[identifier]
    except KeyError:
        raise HttpError(404, f"{what} {identifier!r} not found") from None
