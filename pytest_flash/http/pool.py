"""A client for very many requests at once, on asyncio.

Each request takes the connection that was used last, or opens one, and nothing is searched: a pool
that looks through its connections costs milliseconds for a request with 1,000 in flight.
"""

from __future__ import annotations

import asyncio
import resource
import ssl
from contextlib import AbstractAsyncContextManager
from typing import Final

from . import streaming
from .body_limits import WHOLE_LIMIT
from .connection import ClientConnection
from .errors import ConnectError, ConnectTimeoutError
from .messages import Request, Response, Timeouts, Url
from .timeouts import within
from .tls import context_for
from .unmocked_sockets import connected

# Shorter than servers keep idle connections: a request that crosses the server's
# close on the wire fails, and nobody knows whether it was carried out.
KEPT: Final = 5.0
# However few files the process may open.
_FEWEST: Final = 16

_Origin = tuple[str, str, int]


def affordable() -> int:
    """How many connections may be open: half of the files that this process may open.

    The other half is for those whose requests lead to ours.
    """
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if files == resource.RLIM_INFINITY else max(files // 2, _FEWEST)


class AsyncClient:
    """Direct connections, one for each request in flight; idle ones are kept for ``kept`` seconds.

    At most ``most`` requests are in flight, by default what ``affordable`` says, and others wait
    for their turn. Responses are read whole, in ``whole`` seconds from their beginning. Nothing is
    sent twice: a request that fails after it was sent may have been carried out. Lives on one event
    loop. ``context`` is needed for https.
    """

    def __init__(
        self,
        context: ssl.SSLContext | None = None,
        *,
        most: int | None = None,
        kept: float = KEPT,
        whole: float = WHOLE_LIMIT,
    ) -> None:
        self._context = context
        self._most = affordable() if most is None else most
        self._kept = kept
        self._whole = whole
        self._room = asyncio.Semaphore(self._most)
        self._open: set[ClientConnection] = set()
        self._idle: dict[_Origin, list[tuple[ClientConnection, asyncio.TimerHandle]]] = {}

    async def send(self, request: Request, timeouts: Timeouts) -> Response:
        """Send a request; raises a TransportError when no whole response came."""
        url = request.url
        origin = (url.scheme, url.host, url.port)
        async with self._room:
            connection = self._idle_one(origin) or await self._connect(url, timeouts.connect)
            try:
                response = await connection.exchange(request, timeouts.read, self._whole)
            except BaseException:
                # Also when the caller was cancelled: the answer would be the next request's.
                connection.abort()
                raise
            self._keep(origin, connection)
        return response

    def stream(
        self, request: Request, timeouts: Timeouts
    ) -> AbstractAsyncContextManager[streaming.Incoming]:
        """As ``streaming.begun``: a connection of its own, not counted among ``most``."""
        return streaming.begun(request, timeouts, self._context)

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

    async def _connect(self, url: Url, patience: float | None) -> ClientConnection:
        loop = asyncio.get_running_loop()
        if len(self._open) >= self._most:
            self._close_idle()
        context = context_for(url, self._context)
        try:
            _, connection = await within(
                patience,
                _connected(loop, url, context),
                unused=lambda made: made[1].abort(),
            )
        except TimeoutError as error:
            raise ConnectTimeoutError("no connection in time") from error
        except OSError as error:
            raise ConnectError(str(error)) from error
        self._open.add(connection)
        connection.lost.add_done_callback(lambda _: self._open.discard(connection))
        return connection


async def _connected(
    loop: asyncio.AbstractEventLoop, url: Url, context: ssl.SSLContext | None
) -> tuple[asyncio.BaseTransport, ClientConnection]:
    made = await connected(url.host, url.port)
    if made is None:
        return await loop.create_connection(ClientConnection, url.host, url.port, ssl=context)
    name = url.host if context else None
    try:
        return await loop.create_connection(
            ClientConnection, sock=made, ssl=context, server_hostname=name
        )
    except BaseException:
        made.close()
        raise
