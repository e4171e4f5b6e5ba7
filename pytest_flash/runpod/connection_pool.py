"""An httpx transport for very many requests at once.

httpx's own pool looks through all of its connections for every request, so that a request costs
more the more there are: several milliseconds with 1,000 in flight. Here each request takes the
connection that was used last, or opens one, and nothing is searched.
"""

from __future__ import annotations

import asyncio
import resource
import ssl
from typing import Any, Final

import httpx

from ..network.response_limits import WHOLE_LIMIT, with_body
from .connection import ClientConnection
from .timeouts import within

# Shorter than servers keep idle connections, as in httpx: a request that crosses the server's
# close on the wire fails, and nobody knows whether it was carried out.
_KEPT: Final = 5.0
# However few files the process may open.
_FEWEST: Final = 16

_Origin = tuple[str, str, int | None]


def affordable() -> int:
    """How many connections may be open: half of the files that this process may open.

    The other half is for those whose requests lead to ours.
    """
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if files == resource.RLIM_INFINITY else max(files // 2, _FEWEST)


class KeepAliveTransport(httpx.AsyncBaseTransport):
    """Direct connections, one for each request in flight; idle ones are kept for ``kept`` seconds.

    At most ``most`` requests are in flight, by default what ``affordable`` says, and others wait
    for their turn. Answers are read whole, in ``whole`` seconds from their beginning. Nothing is
    sent twice: a request that fails after it was sent may have been carried out. Lives on one event
    loop. ``context`` is needed for https.
    """

    def __init__(
        self,
        context: ssl.SSLContext | None = None,
        *,
        most: int | None = None,
        kept: float = _KEPT,
        whole: float = WHOLE_LIMIT,
    ) -> None:
        self._context = context
        self._most = affordable() if most is None else most
        self._kept = kept
        self._whole = whole
        self._room = asyncio.Semaphore(self._most)
        self._open: set[ClientConnection] = set()
        self._idle: dict[_Origin, list[tuple[ClientConnection, asyncio.TimerHandle]]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; raises an httpx.RequestError when no whole answer came."""
        content = await request.aread()
        origin = (request.url.scheme, request.url.host, request.url.port)
        limits: dict[str, Any] = request.extensions.get("timeout", {})
        async with self._room:
            connection = self._idle_one(origin) or await self._connect(request.url, limits)
            try:
                answer = await connection.exchange(
                    request, content, limits.get("read"), self._whole
                )
            except BaseException:
                # Also when the caller was cancelled: the answer would be the next request's.
                connection.abort()
                raise
            self._keep(origin, connection)
        made = with_body(answer.status, answer.headers, answer.body)
        made.extensions.update(http_version=b"HTTP/1.1", reason_phrase=answer.reason)
        return made

    async def aclose(self) -> None:
        """Close every connection."""
        connections = list(self._open)
        for connection in connections:
            connection.abort()
        await asyncio.gather(*(connection.lost for connection in connections))

    def _idle_one(self, origin: _Origin) -> ClientConnection | None:
        idle = self._idle.get(origin, [])
        while idle:
            connection, timer = idle.pop()
            timer.cancel()
            if connection.is_fresh():
                return connection
            connection.abort()
        return None

    def _keep(self, origin: _Origin, connection: ClientConnection) -> None:
        idle = self._idle.setdefault(origin, [])

        def expire() -> None:
            idle.remove(kept)
            connection.abort()

        kept = connection, asyncio.get_running_loop().call_later(self._kept, expire)
        idle.append(kept)

    def _close_idle(self) -> None:
        """Close the connections to other origins that nobody uses."""
        for idle in self._idle.values():
            for connection, timer in idle:
                timer.cancel()
                connection.abort()
            idle.clear()

    async def _connect(self, url: httpx.URL, limits: dict[str, Any]) -> ClientConnection:
        secure = url.scheme == "https"
        port = url.port or (443 if secure else 80)
        loop = asyncio.get_running_loop()
        if len(self._open) >= self._most:
            self._close_idle()
        context = self._context if secure else None
        try:
            _, connection = await within(
                limits.get("connect"),
                loop.create_connection(ClientConnection, url.host, port, ssl=context),
                unused=lambda made: made[1].abort(),
            )
        except TimeoutError as error:
            raise httpx.ConnectTimeout("no connection in time") from error
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error
        self._open.add(connection)
        connection.lost.add_done_callback(lambda _: self._open.discard(connection))
        return connection


class DirectClient(KeepAliveTransport):
    """Sends requests as they are: ``httpx.AsyncClient`` costs more than all the rest of a call."""

    async def send(self, request: httpx.Request) -> httpx.Response:
        """As that of ``httpx.AsyncClient``, without redirects and cookies."""
        try:
            response = await self.handle_async_request(request)
        except httpx.RequestError as error:
            error.request = request
            raise
        response.request = request
        return response
