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
    check_data_centers,
    cpu_availability,
    gpu_availability,
)

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams

T = TypeVar("T")

# Each of these raises HttpError 400 or 422 for a query that REST v2 refuses.


def gpus(query: QueryParams) -> dict[str, Any]:
    """Schema ``ListGpuTypesResponse``."""
    asked = gpu_availability(query)
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
    check_data_centers(query)
    return {"dataCenters": [_data_center(center) for center in DATA_CENTERS.values()]}


def data_center(center_id: str, query: QueryParams) -> dict[str, Any]:
    """Schema ``DataCenter``. Raises HttpError 404 for one that does not exist."""
    check_data_centers(query)
    return _data_center(_known(DATA_CENTERS, center_id, "data center"))


def _gpu(gpu: CatalogGpuType, products: frozenset[str] | None) -> dict[str, Any]:
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
    if products is None:
        return document
    centers = list(DATA_CENTERS.values()) if "SERVERLESS" in products else []
    document["cudaVersions"] = [
        {"version": version, "available": bool(centers)} for version in map(str, CudaVersion)
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


def _data_center(center: CatalogDataCenter) -> dict[str, Any]:
    return {
        "id": center.id,
        "name": center.name,
        "region": center.region,
        "networkVolumeTypes": list(VOLUME_TYPES),
        "compliance": [],
        "globalNetwork": False,
    }


def _availability(centers: list[CatalogDataCenter]) -> dict[str, Any]:
    """What availability adds to a document; the data centers are left out where there is none."""
    if not centers:
        return {"availability": "NONE"}
    named = [{"id": each.id, "name": each.name, "availability": "HIGH"} for each in centers]
    return {"availability": "HIGH", "dataCenters": named}


def _known(table: Mapping[str, T], identifier: str, what: str) -> T:
    try:
        return table[identifier]
    except KeyError:
        raise HttpError(404, f"{what} {identifier!r} not found") from None
