"""Responses whose bodies are read as they come, each on a connection of its own."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Protocol

import anyio

from .body_limits import BODY_LIMIT, WHOLE_LIMIT, LimitedBody
from .errors import (
    ConnectError,
    ConnectTimeoutError,
    LostConnectionError,
    ReadTimeoutError,
    RemoteProtocolError,
    WriteTimeoutError,
)
from .messages import Request, Response, Timeouts, Url
from .protocol import ClientProtocol, Head, Mark
from .tls import context_for
from .unmocked_sockets import connected

_PIECE = 1 << 16


class ByteStream(Protocol):
    """A connection, whatever event loop it is on. Raises OSError."""

    async def send(self, data: bytes) -> None:
        """Send all of it."""

    async def receive(self) -> bytes:
        """What came, nothing at the end."""

    async def aclose(self) -> None:
        """Close it, at once."""


class AsyncioStream:
    """A connection on asyncio that takes whatever is sent: who writes it need not read first."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, url: Url, context: ssl.SSLContext | None) -> AsyncioStream:
        """Connect. Raises OSError."""
        made = await connected(url.host, url.port)
        if made is None:
            return cls(*await asyncio.open_connection(url.host, url.port, ssl=context))
        name = url.host if context else None
        try:
            return cls(*await asyncio.open_connection(sock=made, ssl=context, server_hostname=name))
        except BaseException:
            made.close()
            raise

    async def send(self, data: bytes) -> None:
        """See ByteStream. Not drained: a server may answer before it has read the whole body."""
        self._writer.write(data)

    async def receive(self) -> bytes:
        """See ByteStream."""
        return await self._reader.read(_PIECE)

    async def aclose(self) -> None:
        """See ByteStream."""
        self._writer.transport.abort()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


class StreamConnection:
    """One exchange over ``stream``. Everything raises TransportErrors."""

    def __init__(self, stream: ByteStream, timeouts: Timeouts) -> None:
        self._stream = stream
        self.patience = timeouts.read
        self.protocol = ClientProtocol()

    async def write(self, data: bytes) -> None:
        """Send bytes."""
        try:
            with anyio.fail_after(self.patience):
                await self._stream.send(data)
        except TimeoutError as error:
            raise WriteTimeoutError(f"nothing was taken for {self.patience} s") from error
        except OSError as error:
            raise LostConnectionError(str(error)) from error

    async def read(self) -> bytes:
        """The bytes that came next; nothing at the end."""
        try:
            with anyio.fail_after(self.patience):
                return await self._stream.receive()
        except TimeoutError as error:
            raise ReadTimeoutError(f"nothing came for {self.patience} s") from error
        except OSError as error:
            raise LostConnectionError(str(error)) from error

    async def head(self) -> Head:
        """How the response begins."""
        event = await self._next()
        if not isinstance(event, Head):
            raise RemoteProtocolError("the server closed the connection without an answer")
        return event

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, as it is carried."""
        while isinstance(event := await self._next(), bytes):
            yield event

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()

    async def _next(self) -> Head | bytes | Mark:
        while (event := self.protocol.next_event()) is Mark.NEED_DATA:
            self.protocol.receive(await self.read())
        return event


class Incoming:
    """A response whose body is still to be read."""

    def __init__(
        self, request: Request, head: Head, chunks: AsyncIterator[bytes], seconds: float
    ) -> None:
        self.request = request
        self.head = head
        self.chunks = chunks
        self._seconds = seconds

    async def whole(self) -> Response:
        """All of it, up to a limit. Raises TransportErrors."""
        body = LimitedBody(self.head.headers, BODY_LIMIT)
        with in_time(self._seconds):
            async for part in self.chunks:
                body.add(part)
        return self.head.response(self.request, body.whole())


@contextlib.asynccontextmanager
async def begun(
    request: Request, timeouts: Timeouts, context: ssl.SSLContext | None = None
) -> AsyncIterator[Incoming]:
    """The response to ``request``, its body to be read. On asyncio. Raises TransportErrors."""
    seconds = whole_of(timeouts)
    stream = await _connected(request.url, timeouts.connect, context)
    try:
        connection = StreamConnection(stream, timeouts)
        with in_time(seconds):
            await connection.write(connection.protocol.whole(request))
            head = await connection.head()
        yield Incoming(request, head, connection.chunks(), seconds)
    finally:
        await stream.aclose()


@contextlib.contextmanager
def in_time(seconds: float) -> Iterator[None]:
    """End what trickles in: each byte comes in time, and none is the last."""
    try:
        with anyio.fail_after(seconds):
            yield
    except TimeoutError as error:
        raise ReadTimeoutError(f"it was not complete in {seconds:g} s") from error


def whole_of(timeouts: Timeouts) -> float:
    """The seconds that a whole response may take."""
    return timeouts.whole or (timeouts.read or 0.0) + WHOLE_LIMIT


async def _connected(
    url: Url, patience: float | None, context: ssl.SSLContext | None
) -> AsyncioStream:
    secure = context_for(url, context)
    try:
        with anyio.fail_after(patience):
            return await AsyncioStream.open(url, secure)
    except TimeoutError as error:
        raise ConnectTimeoutError("no connection in time") from error
    except OSError as error:
        raise ConnectError(str(error)) from error
