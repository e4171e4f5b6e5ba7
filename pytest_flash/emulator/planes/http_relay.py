"""One HTTP request carried to a worker, and the answer carried back as it comes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...http.errors import ConnectError, LostConnectionError, RemoteProtocolError
from ...http.messages import Headers, Request, Timeouts, Url
from ...http.protocol import Head
from ...http.streaming import begun

if TYPE_CHECKING:
    from starlette.types import Send

_LOOPBACK = "127.0.0.1"
# The balancer says how long a request may take.
_FOREVER = Timeouts(connect=None, read=None, whole=math.inf)

# RFC 9110, 7.6.1: for one connection only.
_HOP_BY_HOP = {
    b"connection",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
}


class RelayError(Exception):
    """The worker gave no complete answer."""


class TooLargeError(Exception):
    """The worker's answer is larger than the balancer passes on."""


@dataclass(frozen=True)
class RelayedRequest:
    """A request as the worker gets it; ``target`` is the path with its query."""

    method: bytes
    target: bytes
    headers: Headers
    body: bytes


def end_to_end(headers: Iterable[tuple[bytes, bytes]], *but: bytes) -> list[tuple[bytes, bytes]]:
    """The headers that concern the other end, without those named ``but``."""
    dropped = _HOP_BY_HOP | set(but)
    return [(name, value) for name, value in headers if name.lower() not in dropped]


class Relay:
    """Carries one request, whose answer may have ``limit`` bytes.

    ``rewrite`` makes of the answer's headers those that the client gets; ``begun`` says whether it
    has got them.
    """

    def __init__(self, send: Send, rewrite: Callable[[Headers], Headers], limit: int) -> None:
        self._send = send
        self._rewrite = rewrite
        self._limit = limit
        self._passed = 0
        self.begun = False

    async def carry(self, request: RelayedRequest, port: int) -> None:
        """Send ``request`` to a port of this machine and its answer to the client.

        Raises RelayError and TooLargeError, and LocalProtocolError for a request that cannot be
        written down.
        """
        try:
            async with begun(_to_port(request, port), _FOREVER) as answer:
                await self._head(answer.head)
                async for part in answer.chunks:
                    await self._part(part)
                await self._send({"type": "http.response.body", "more_body": False})
        except ConnectError as error:
            raise RelayError(f"no connection to its port {port}: {error}") from error
        except LostConnectionError as error:
            raise RelayError(f"the connection was lost: {error}") from error
        except RemoteProtocolError as error:
            raise RelayError(f"its answer is no HTTP, or not complete: {error}") from error

    async def _head(self, answer: Head) -> None:
        headers = end_to_end((name.lower(), value) for name, value in answer.headers)
        length = next((value for name, value in headers if name == b"content-length"), b"0")
        if int(length) > self._limit:
            raise TooLargeError
        self.begun = True
        await self._send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": list(self._rewrite(headers)),
            }
        )

    async def _part(self, data: bytes) -> None:
        self._passed += len(data)
        if self._passed > self._limit:
            raise TooLargeError
        await self._send({"type": "http.response.body", "body": data, "more_body": True})


def _to_port(request: RelayedRequest, port: int) -> Request:
    headers = [*request.headers, (b"connection", b"close")]
    if request.body and not any(name == b"content-length" for name, _ in headers):
        headers.append((b"content-length", b"%d" % len(request.body)))
    url = Url("http", _LOOPBACK, port, b"%s:%d" % (_LOOPBACK.encode(), port), request.target)
    return Request(request.method.decode("latin-1"), url, headers, request.body)
