"""What the catalog answers: GPU types, CPU flavors and data centers (REST v2 schemas)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

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

    from ...wire import documents

T = TypeVar("T")

# Each of these raises HttpError 400 or 422 for a query that REST v2 refuses.


def gpus(query: QueryParams) -> documents.GpuTypes:
    """Schema ``ListGpuTypesResponse``."""
    asked = gpu_availability(query)
    return {"gpus": [_gpu(gpu, asked) for gpu in GPUS.values()]}


def gpu(gpu_id: str, query: QueryParams) -> documents.GpuType:
    """Schema ``GpuType``. Raises HttpError 404 for one that does not exist."""
    return _gpu(_known(GPUS, gpu_id, "GPU type"), gpu_availability(query))


def cpus(query: QueryParams) -> documents.CpuTypes:
    """Schema ``ListCpuTypesResponse``."""
    asked = cpu_availability(query)
    return {"cpus": [_cpu(flavor, asked) for flavor in CPUS.values()]}


def cpu(flavor_id: str, query: QueryParams) -> documents.CpuType:
    """Schema ``CpuType``. Raises HttpError 404 for one that does not exist."""
    return _cpu(_known(CPUS, flavor_id, "CPU flavor"), cpu_availability(query))


def data_centers(query: QueryParams) -> documents.DataCenters:
    """Schema ``ListDataCentersResponse``."""
    check_data_centers(query)
    return {"dataCenters": [_data_center(center) for center in DATA_CENTERS.values()]}


def data_center(center_id: str, query: QueryParams) -> documents.DataCenter:
    """Schema ``DataCenter``. Raises HttpError 404 for one that does not exist."""
    check_data_centers(query)
    return _data_center(_known(DATA_CENTERS, center_id, "data center"))


def _gpu(gpu: CatalogGpuType, products: frozenset[str] | None) -> documents.GpuType:
    # There are no pods here: what concerns them is false or 0.
    price: documents.GpuPrice = {"secure": 0, "community": 0}
    if gpu.price is not None:
        price["serverless"] = gpu.price
    document: documents.GpuType = {
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
    _add_availability(document, centers)
    return document


def _cpu(flavor: CpuFlavor, asked: CpuAvailability | None) -> documents.CpuType:
    document: documents.CpuType = {
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
    _add_availability(document, centers)
    return document


def _data_center(center: CatalogDataCenter) -> documents.DataCenter:
    return {
        "id": center.id,
        "name": center.name,
        "region": center.region,
        "networkVolumeTypes": list(VOLUME_TYPES),
        "compliance": [],
        "globalNetwork": False,
    }


def _add_availability(
    document: documents.GpuType | documents.CpuType, centers: list[CatalogDataCenter]
) -> None:
    """The data centers are left out where there is none."""
    document["availability"] = "HIGH" if centers else "NONE"
    if centers:
        document["dataCenters"] = [
            {"id": each.id, "name": each.name, "availability": "HIGH"} for each in centers
        ]


def _known(table: Mapping[str, T], identifier: str, what: str) -> T:
    try:
        return table[identifier]
    except KeyError:
        raise HttpError(404, f"{what} {identifier!r} not found") from None
