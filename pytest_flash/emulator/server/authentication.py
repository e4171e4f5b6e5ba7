"""Who may ask what: checked before a request reaches any handler."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ...network.loopback import names_loopback
from .http_errors import HttpError
from .request_response import error_response

_BEARER = b"bearer "

Refusal = Callable[[HttpError], Response]
Admits = Callable[[bytes, str], bool]


@dataclass(frozen=True)
class Plane:
    """Everything below one path: who is let in, what serves it, how a refusal looks.

    ``admits`` gets the value of the ``Authorization`` header, or nothing, and the path.
    """

    prefix: str
    admits: Admits
    app: ASGIApp
    refusal: Refusal


class Guard:
    """Refuses requests without their plane's credential, and those meant for another host."""

    def __init__(self, planes: Sequence[Plane]) -> None:
        self._planes = tuple(planes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            return  # nothing here speaks anything else
        app = self._app(scope)
        await app(scope, receive, send)

    def _app(self, scope: Scope) -> ASGIApp:
        host = authorization = b""
        for name, value in scope["headers"]:
            if name == b"authorization":
                authorization = value
            elif name == b"host":
                host = value
        path: str = scope["path"]
        plane = next((each for each in self._planes if path.startswith(each.prefix)), None)
        refusal = error_response if plane is None else plane.refusal
        if not _is_ours(host):
            return refusal(HttpError(403, "the emulator answers to loopback names only (Host)"))
        if plane is None:
            return refusal(HttpError(404, f"nothing is served at {path}"))
        if not plane.admits(authorization, path):
            given = "invalid token" if authorization else "missing bearer token"
            return refusal(HttpError(401, given))
        return plane.app


def bearer(key: str) -> Admits:
    """Admits ``Bearer <key>``."""
    expected = key.encode()

    def admits(value: bytes, _: str) -> bool:
        token = value[len(_BEARER) :].strip()
        return value[: len(_BEARER)].lower() == _BEARER and hmac.compare_digest(token, expected)

    return admits


def bearer_or_key(key: str) -> Admits:
    """Admits the key in this form, and as it is."""
    with_scheme, expected = bearer(key), key.encode()
    return lambda value, path: with_scheme(value, path) or hmac.compare_digest(value, expected)


@lru_cache(maxsize=64)
def _is_ours(host: bytes) -> bool:
    return names_loopback(host.decode("latin-1"))
