"""The management plane: the catalog of GPU types, CPU flavors and data centers (REST v2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from ..server.request_response import json_response

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

# The documents are imported with the first request for one: most emulators never get any.


def catalog_routes() -> list[Route]:
    """The routes of ``/api/v2/catalog``."""
    base = "/api/v2/catalog"
    return [
        Route(base + "/gpus", _list_gpus, methods=["GET"]),
        Route(base + "/gpus/{id}", _get_gpu, methods=["GET"]),
        Route(base + "/cpus", _list_cpus, methods=["GET"]),
        Route(base + "/cpus/{id}", _get_cpu, methods=["GET"]),
        Route(base + "/datacenters", _list_data_centers, methods=["GET"]),
        Route(base + "/datacenters/{id}", _get_data_center, methods=["GET"]),
        Route(base + "/templates", _list_templates, methods=["GET"]),
    ]


async def _list_gpus(request: Request) -> Response:
    """``GET /v2/catalog/gpus``."""
    from .catalog_views import gpus

    return json_response(gpus(request.query_params))


async def _get_gpu(request: Request) -> Response:
    """``GET /v2/catalog/gpus/{id}``."""
    from .catalog_views import gpu

    return json_response(gpu(request.path_params["id"], request.query_params))


async def _list_cpus(request: Request) -> Response:
    """``GET /v2/catalog/cpus``."""
    from .catalog_views import cpus

    return json_response(cpus(request.query_params))


async def _get_cpu(request: Request) -> Response:
    """``GET /v2/catalog/cpus/{id}``."""
    from .catalog_views import cpu

    return json_response(cpu(request.path_params["id"], request.query_params))


async def _list_data_centers(request: Request) -> Response:
    """``GET /v2/catalog/datacenters``."""
    from .catalog_views import data_centers

    return json_response(data_centers(request.query_params))


async def _get_data_center(request: Request) -> Response:
    """``GET /v2/catalog/datacenters/{id}``."""
    from .catalog_views import data_center

    return json_response(data_center(request.path_params["id"], request.query_params))


async def _list_templates(request: Request) -> Response:
    """``GET /v2/catalog/templates``: there are none here."""
    from .catalog_queries import check_template_source

    check_template_source(request.query_params)
    return json_response({"templates": []})
