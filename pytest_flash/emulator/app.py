"""The emulator's ASGI application: its planes behind one guard."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route

from .catalog import catalog_routes
from .direct import Direct
from .errors import HttpError
from .gate import FaultGate
from .guard import Guard, Plane, Refusal, bearer, either
from .http import error_response, json_response, problem_response
from .management import Management
from .quota import Quota
from .volume_management import VolumeManagement
from .workers import Workers

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from .config import Timings
    from .control_plane import ControlPlane
    from .credentials import WorkerCredentials
    from .endpoints import Endpoints
    from .faults import Faults, PlaneName
    from .load_balancer import LoadBalancer
    from .queue import Queue
    from .volumes import Volumes

_log = logging.getLogger(__name__)


def build_app(
    endpoints: Endpoints,
    volumes: Volumes,
    api_key: str,
    credentials: WorkerCredentials,
    queue: Queue,
    balancer: LoadBalancer,
    control: ControlPlane,
    faults: Faults,
    *,
    origin: str,
    timings: Timings,
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

    jobs = gated("queue", _served_directly(queue.routes(), error_response), error_response)
    workers = _served_directly(Workers(endpoints, timings).routes(), error_response)
    rest = gated("management", _served(management, problem_response), problem_response)
    quota = Quota(rest, problem_response, time.monotonic, enforced=enforce_quota)
    balanced = gated("load_balancer", _served(balancer.routes(), error_response), error_response)
    controls = _served(control.routes(), problem_response)
    return Guard(
        [
            Plane("/queue/", either(api_key), jobs, error_response),
            Plane("/worker/", credentials.admits, workers, error_response),
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
            Exception: _broken(refusal),
        },
    )
    app.router.redirect_slashes = False
    return app


def _served_directly(routes: Sequence[Route], refusal: Refusal) -> ASGIApp:
    """The same for a plane whose requests are many."""
    return Direct(routes, refusal, _broken(refusal), _served(routes, refusal))


def _broken(refusal: Refusal) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def broken(request: Request, error: Exception) -> Response:
        _log.error("%s %s failed", request.method, request.scope["path"], exc_info=error)
        return refusal(HttpError(500, f"the emulator failed: {type(error).__name__}: {error}"))

    return broken


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
        from .openapi import openapi_document  # pydantic

        return json_response(openapi_document(routes))

    routes = tuple(described)
    return Route("/api/v2/openapi.json", openapi, methods=["GET"])
