"""The management plane: the catalog of GPU types, CPU flavors and data centers (REST v2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.routing import Route

from .catalog_data import (
    CPUS,
    CUDA_VERSIONS,
    DATA_CENTERS,
    GPUS,
    VOLUME_TYPES,
    CpuFlavor,
    DataCenter,
    GpuType,
)
from .catalog_query import (
    CpuAvailability,
    DataCenterFilter,
    GpuAvailability,
    cpu_availability,
    data_center_expansions,
    data_center_filter,
    gpu_availability,
)
from .errors import HttpError
from .http import json_response

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

T = TypeVar("T")


def catalog_routes() -> list[Route]:
    """The routes below ``/api/v2/catalog``."""
    base = "/api/v2/catalog"
    return [
        Route(base + "/gpus", _list_gpus, methods=["GET"]),
        Route(base + "/gpus/{id}", _get_gpu, methods=["GET"]),
        Route(base + "/cpus", _list_cpus, methods=["GET"]),
        Route(base + "/cpus/{id}", _get_cpu, methods=["GET"]),
        Route(base + "/datacenters", _list_data_centers, methods=["GET"]),
        Route(base + "/datacenters/{id}", _get_data_center, methods=["GET"]),
    ]


async def _list_gpus(request: Request) -> Response:
    asked = gpu_availability(request.query_params)
    documents = [gpu_document(gpu, asked) for gpu in GPUS.values()]
    if asked is not None and asked.countries and not _centers_in(asked.countries):
        documents = []
    return json_response({"gpus": documents})


async def _get_gpu(request: Request) -> Response:
    asked = gpu_availability(request.query_params)
    return json_response(gpu_document(_found(GPUS, request, "GPU type"), asked))


async def _list_cpus(request: Request) -> Response:
    asked = cpu_availability(request.query_params)
    return json_response({"cpus": [cpu_document(flavor, asked) for flavor in CPUS.values()]})


async def _get_cpu(request: Request) -> Response:
    asked = cpu_availability(request.query_params)
    return json_response(cpu_document(_found(CPUS, request, "CPU flavor"), asked))


async def _list_data_centers(request: Request) -> Response:
    wanted = data_center_filter(request.query_params)
    expansions = data_center_expansions(request.query_params)
    documents = (data_center_document(each, expansions) for each in DATA_CENTERS.values())
    matching = [document for document in documents if _matches(document, wanted)]
    return json_response({"dataCenters": matching})


async def _get_data_center(request: Request) -> Response:
    expansions = data_center_expansions(request.query_params)
    center = _found(DATA_CENTERS, request, "data center")
    return json_response(data_center_document(center, expansions))


def gpu_document(gpu: GpuType, asked: GpuAvailability | None) -> dict[str, Any]:
    """Schema ``GpuType``. There are no pods here: what concerns them is false or 0."""
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
    versions = [version for version in CUDA_VERSIONS if asked.accepts_cuda(version)]
    offered = "SERVERLESS" in asked.products and bool(versions)
    centers = _centers_in(asked.countries) if offered else []
    document["cudaVersions"] = [
        {"version": version, "available": bool(centers)} for version in versions
    ]
    return {**document, **_availability(centers)}


def cpu_document(flavor: CpuFlavor, asked: CpuAvailability | None) -> dict[str, Any]:
    """Schema ``CpuType``. There are no pods here: their price is 0."""
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


def data_center_document(center: DataCenter, expansions: frozenset[str]) -> dict[str, Any]:
    """Schema ``DataCenter``."""
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


def _availability(centers: list[DataCenter]) -> dict[str, Any]:
    """What availability adds to a document; the data centers are left out where there is none."""
    if not centers:
        return {"availability": "NONE"}
    return {"availability": "HIGH", "dataCenters": [_available(center) for center in centers]}


def _available(item: GpuType | CpuFlavor | DataCenter) -> dict[str, str]:
    return {"id": item.id, "name": item.name, "availability": "HIGH"}


def _centers_in(countries: frozenset[str]) -> list[DataCenter]:
    centers: Iterable[DataCenter] = DATA_CENTERS.values()
    return [center for center in centers if not countries or center.country in countries]


def _matches(document: dict[str, Any], wanted: DataCenterFilter) -> bool:
    return (
        (not wanted.regions or document["region"] in wanted.regions)
        and wanted.volume_types <= set(document["networkVolumeTypes"])
        and wanted.compliance <= set(document["compliance"])
        and wanted.global_network in (None, document["globalNetwork"])
    )


def _found(known: Mapping[str, T], request: Request, what: str) -> T:
    identifier = request.path_params["id"]
    try:
        return known[identifier]
    except KeyError:
        raise HttpError(404, f"{what} {identifier!r} not found") from None
