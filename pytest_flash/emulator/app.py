"""The emulator's ASGI application: its planes behind one guard."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .catalog import catalog_routes
from .errors import HttpError
from .guard import Credentials, Guard, Plane, bare, bearer, either
from .http import error_response, problem_response
from .management import Management
from .queue import Queue
from .volume_management import VolumeManagement
from .workers import Workers

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from .config import Timings
    from .endpoints import Endpoints
    from .volumes import Volumes

_log = logging.getLogger(__name__)

_Refusal = Callable[[HttpError], Response]


def build_app(
    endpoints: Endpoints,
    volumes: Volumes,
    credentials: Credentials,
    *,
    origin: str,
    timings: Timings,
) -> ASGIApp:
    """The application that serves all this at ``origin`` (``http://127.0.0.1:4000``)."""
    key = credentials.api_key
    balancer = [Route("/lb/{endpoint}/{path:path}", _no_load_balancer)]
    management = [
        *Management(endpoints, volumes, origin).routes(),
        *VolumeManagement(volumes).routes(),
        *catalog_routes(),
    ]
    return Guard(
        [
            _plane("/queue/", either(key), Queue(endpoints).routes(), error_response),
            _plane(
                "/worker/",
                bare(credentials.worker),
                Workers(endpoints, timings).routes(),
                error_response,
            ),
            _plane("/api/", bearer(key), management, problem_response),
            _plane("/lb/", bearer(key), balancer, error_response),
        ]
    )


def _plane(
    prefix: str, admits: Callable[[bytes], bool], routes: list[Route], refusal: _Refusal
) -> Plane:
    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, HttpError)
        return refusal(error)

    async def not_routed(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        detail = f"{request.method} {request.scope['path']}: {error.detail}"
        response = refusal(HttpError(error.status_code, detail))
        response.headers.update(error.headers or {})
        return response

    async def broken(request: Request, error: Exception) -> Response:
        _log.error("%s %s failed", request.method, request.scope["path"], exc_info=error)
        return refusal(HttpError(500, f"the emulator failed: {type(error).__name__}: {error}"))

    app = Starlette(
        routes=routes,
        exception_handlers={HttpError: refused, HTTPException: not_routed, Exception: broken},
    )
    app.router.redirect_slashes = False
    return Plane(prefix, admits, app, refusal)


async def _no_load_balancer(_: Request) -> Response:
    raise HttpError(501, "the emulator does not serve load-balancing endpoints")
