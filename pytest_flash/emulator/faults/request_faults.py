"""Faults of requests: refused or served late, before their plane sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...scope import SCOPE_HEADER
from ..server.http_errors import HttpError
from .fault_types import PlaneName, RefusedRequest, RequestEffect, SlowRequest, wait_for_any

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ..server.authentication import Refusal
    from .fault_types import Fault, Faults

SCOPE_FIELD: Final = SCOPE_HEADER.lower().encode()
_ENDPOINTS = ("", "api", "v2", "serverless")


def scope_of(scope: Scope) -> str | None:
    """The scope that a request was sent in."""
    for name, value in scope["headers"]:
        if name == SCOPE_FIELD:
            return str(value.decode("latin-1"))
    return None


class FaultGate:
    """One plane's application behind the faults of its requests."""

    def __init__(self, plane: PlaneName, app: ASGIApp, faults: Faults, refusal: Refusal) -> None:
        self._plane = plane
        self._app = app
        self._faults = faults
        self._refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, unless a fault says otherwise."""
        if not self._faults.any:
            await self._app(scope, receive, send)
            return
        refused = await self._hold_up(scope)
        if refused is None:
            await self._app(scope, receive, send)
            return
        if refused.effect.moment == "after" and scope["type"] == "http":
            await self._app(scope, receive, _nowhere)
        await self._answer(refused)(scope, receive, send)

    async def _hold_up(self, scope: Scope) -> Fault[RefusedRequest] | None:
        """Wait as long as a fault says; the fault that refuses the request, if there is one."""
        # A WebSocket begins as a GET request, and can be refused like one.
        name, method = scope_of(scope), scope.get("method", "GET")
        endpoint, operation = _addressed(self._plane, scope["path"])

        def meant(effect: RequestEffect) -> bool:
            return (
                effect.plane == self._plane
                and effect.method in (None, method)
                and effect.operation in (None, operation)
            )

        slow = self._faults.take(SlowRequest, name, endpoint, meant)
        if slow is not None:
            await wait_for_any(slow.removed, seconds=slow.effect.seconds)
        return self._faults.take(RefusedRequest, name, endpoint, meant)

    def _answer(self, refused: Fault[RefusedRequest]) -> Response:
        effect = refused.effect
        response = self._refusal(HttpError(effect.status, f"refused by {refused.id}, for a test"))
        if effect.retry_after is not None:
            response.headers["Retry-After"] = str(effect.retry_after)
        return response


async def _nowhere(_: Message) -> None:
    """Lose an answer."""


def _addressed(plane: PlaneName, path: str) -> tuple[str | None, str | None]:
    """The endpoint and the operation that a path names, None where it names none."""
    parts = path.split("/")
    if plane == "queue":  # /queue/v2/{endpoint}/{operation}/…
        return _at(parts, 3), _at(parts, 4)
    if plane == "load_balancer":  # /lb/{endpoint}/…
        return _at(parts, 2), None
    if tuple(parts[:4]) == _ENDPOINTS:
        return _at(parts, 4), None
    return None, None


def _at(parts: list[str], index: int) -> str | None:
    return parts[index] if index < len(parts) else None
