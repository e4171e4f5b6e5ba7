"""The straight way to the handlers that jobs pass through.

Starlette's application takes each request through a dozen functions to its handler, and each part
of the answer back through three more: for a job that cost as much as the handlers themselves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from starlette.requests import Request

from .http_errors import HttpError

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.routing import Route
    from starlette.types import ASGIApp, Receive, Scope, Send

    from .authentication import Refusal

_OPERATION = 4


class Direct:
    """Serves routes like ``/plane/v2/{endpoint}/operation/{job}``.

    ``broken`` answers for a handler that fails. What none of the routes serves, be it a path, a
    method or a WebSocket, is left to ``otherwise``.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        refusal: Refusal,
        broken: Callable[[Request, Exception], Awaitable[Response]],
        otherwise: ASGIApp,
    ) -> None:
        self._routes = {_key(route.path.split("/")): _Target(route) for route in routes}
        self._refusal = refusal
        self._broken = broken
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        parts = scope["path"].split("/")
        target = self._routes.get(_key(parts))
        if target is None or scope.get("method") not in target.methods or "" in parts[1:]:
            await self._otherwise(scope, receive, send)
            return
        scope["path_params"] = {name: parts[at] for name, at in target.parameters}
        request = Request(scope, receive, send)
        try:
            response = await target.handler(request)
        except HttpError as error:
            response = self._refusal(error)
        except Exception as error:  # noqa: BLE001 - told to the client and the log, as elsewhere
            response = await self._broken(request, error)
        await response(scope, receive, send)


class _Target:
    """Where one route leads. ``parameters`` are names and places in the path."""

    def __init__(self, route: Route) -> None:
        parts = route.path.split("/")
        self.handler: Callable[[Request], Awaitable[Response]] = route.endpoint
        self.methods = frozenset(route.methods or ())
        self.parameters = [(part[1:-1], at) for at, part in enumerate(parts) if part[:1] == "{"]


def _key(parts: list[str]) -> tuple[object, ...]:
    return (len(parts), *parts[:3], *parts[_OPERATION : _OPERATION + 1])
