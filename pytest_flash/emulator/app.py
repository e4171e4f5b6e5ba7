"""The emulator's ASGI application: its planes behind one guard."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route

from ..clock import monotonic
from .faults.request_faults import FaultGate
from .graphql.routes import PATH as GRAPHQL_PATH
from .graphql.routes import GraphQl, errors_response
from .management.catalog_routes import catalog_routes
from .management.endpoint_routes import Management
from .management.quota import Quota
from .management.volume_routes import VolumeManagement
from .planes.worker_routes import WorkerRoutes
from .server.authentication import Guard, Plane, Refusal, bearer, bearer_or_key
from .server.http_errors import HttpError
from .server.request_response import error_response, json_response, problem_response

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from .account.volumes import EmulatedVolumes
    from .faults.fault_types import Faults, PlaneName
    from .planes.control_routes import ControlPlane
    from .planes.load_balancer_routes import LoadBalancer
    from .planes.queue_routes import Queue
    from .processes.worker_credentials import WorkerCredentials
    from .scheduler.endpoints import EmulatedEndpoints
    from .startup.config import EmulatorTimings

_log = logging.getLogger(__name__)


def build_app(
    endpoints: EmulatedEndpoints,
    volumes: EmulatedVolumes,
    api_key: str,
    credentials: WorkerCredentials,
    queue: Queue,
    balancer: LoadBalancer,
    control: ControlPlane,
    faults: Faults,
    *,
    origin: str,
    timings: EmulatorTimings,
    enforce_quota: bool,
) -> ASGIApp:
    """The application that serves all this at ``origin`` (``http://127.0.0.1:4000``)."""
    management = [
        *Management(endpoints, volumes, origin).routes(),
        *VolumeManagement(volumes).routes(),
        *catalog_routes(),
    ]
    management.append(openapi_route(management))

    def gated(plane: PlaneName, app: ASGIApp, refusal: Refusal) -> ASGIApp:
        return FaultGate(plane, app, faults, refusal)

    jobs = gated("queue", _served(queue.routes(), error_response), error_response)
    workers = _served(WorkerRoutes(endpoints, timings).routes(), error_response)
    rest = gated("management", _served(management, problem_response), problem_response)
    graphql_routes = GraphQl(endpoints, volumes, api_key).routes()
    graphql = gated("management", _served(graphql_routes, errors_response), errors_response)
    quota = Quota(rest, problem_response, monotonic, enforced=enforce_quota)
    balanced = gated("load_balancer", _served(balancer.routes(), error_response), error_response)
    controls = _served(control.routes(), problem_response)
    return Guard(
        [
            Plane("/queue/", bearer_or_key(api_key), jobs, error_response),
            Plane("/worker/", credentials.admits, workers, error_response),
            Plane(GRAPHQL_PATH, bearer(api_key), graphql, errors_response),
            Plane("/api/", bearer(api_key), quota, problem_response),
            Plane("/lb/", bearer(api_key), balanced, error_response),
            Plane("/control/", bearer(api_key), controls, problem_response),
        ]
    )


def _served(routes: Sequence[BaseRoute], refusal: Refusal) -> ASGIApp:
    """The application of one plane, whose errors look as ``refusal`` makes them."""

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, HttpError)
        return refusal(error)

    async def broken(request: Request, error: Exception) -> Response:
        _log.error("%s %s failed", request.method, request.scope["path"], exc_info=error)
        return refusal(HttpError(500, f"the emulator failed: {type(error).__name__}: {error}"))

    async def not_routed(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        detail = f"{request.method} {request.scope['path']}: {error.detail}"
        response = refusal(HttpError(error.status_code, detail))
        response.headers.update(error.headers or {})
        if error.status_code == 405:
            response.headers["Allow"] = ", ".join(_methods(routes, request))
        return response

    app = Starlette(
        routes=routes,
        exception_handlers={
            HttpError: refused,
            HTTPException: not_routed,
            Exception: broken,
        },
    )
    app.router.redirect_slashes = False
    return app


def _methods(routes: Sequence[BaseRoute], request: Request) -> list[str]:
    """The methods that a path is served by; of them Starlette names those of one route."""
    return sorted(
        method
        for route in routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
        for method in route.methods or ()
    )


def openapi_route(described: list[Route]) -> Route:
    """Where the OpenAPI document for ``described`` is."""

    async def openapi(_: Request) -> Response:
        from .management.openapi import openapi_document  # pydantic

        return json_response(openapi_document(routes))

    routes = tuple(described)
    return Route("/api/v2/openapi.json", openapi, methods=["GET"])
