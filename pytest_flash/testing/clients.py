"""httpx clients of the app, over transports of our own.

Mocks that a test sets for what its app sends elsewhere replace the transports of httpx, or what is
below them, and so leave these alone.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

import anyio
import httpx
from anyio.abc import ByteStream
from anyio.streams.tls import TLSStream

from ..http import errors
from ..http.blocking import BlockingConnection
from ..http.messages import Request, Timeouts, parse_url
from ..http.protocol import Head
from ..http.streaming import StreamConnection
from ..http.tls import context_for, default_context

_KINDS: Mapping[type[errors.TransportError], type[httpx.TransportError]] = {
    errors.ConnectError: httpx.ConnectError,
    errors.ConnectTimeoutError: httpx.ConnectTimeout,
    errors.LocalProtocolError: httpx.LocalProtocolError,
    errors.LostConnectionError: httpx.ReadError,
    errors.ReadTimeoutError: httpx.ReadTimeout,
    errors.RemoteProtocolError: httpx.RemoteProtocolError,
    errors.WriteTimeoutError: httpx.WriteTimeout,
}


class AppTransport(httpx.BaseTransport):
    """Each request on a connection of its own.

    The server closes a connection after a handler raised: a client that kept it could see a reset
    in place of its next answer. A new one on loopback costs a fraction of a millisecond.
    """

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; the body of its response is read by whoever wants it."""
        ours, timeouts = _ours(request)
        with _translated():
            connection = BlockingConnection(ours.url, _context(ours), timeouts)
        try:
            with _translated():
                connection.write(connection.protocol.start(ours))
                # A server may answer, and close, before it has read the whole body.
                with contextlib.suppress(errors.LostConnectionError):
                    for part in cast(httpx.SyncByteStream, request.stream):
                        connection.write(connection.protocol.data(part))
                    connection.write(connection.protocol.end())
                head = connection.head()
        except BaseException:
            connection.close()
            raise
        return _response(head, _Body(connection))


class AsyncAppTransport(httpx.AsyncBaseTransport):
    """As ``AppTransport``, for whichever event loop uses it, asyncio's or trio's."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; the body of its response is read by whoever wants it."""
        ours, timeouts = _ours(request)
        with _translated():
            connection = StreamConnection(await _connected(ours, timeouts), timeouts)
        try:
            with _translated():
                await connection.write(connection.protocol.start(ours))
                with contextlib.suppress(errors.LostConnectionError):
                    async for part in cast(httpx.AsyncByteStream, request.stream):
                        await connection.write(connection.protocol.data(part))
                    await connection.write(connection.protocol.end())
                head = await connection.head()
        except BaseException:
            await connection.aclose()
            raise
        return _response(head, _AsyncBody(connection))


def client(url: str, timeout: float) -> httpx.Client:
    """A client of the app at ``url``; ``timeout`` is seconds."""
    return httpx.Client(base_url=url, timeout=timeout, transport=AppTransport(), trust_env=False)


def async_client(url: str, timeout: float) -> httpx.AsyncClient:
    """As ``client``, for whichever event loop uses it."""
    return httpx.AsyncClient(
        base_url=url, timeout=timeout, transport=AsyncAppTransport(), trust_env=False
    )


class _Body(httpx.SyncByteStream):
    def __init__(self, connection: BlockingConnection) -> None:
        self._connection = connection

    def __iter__(self) -> Iterator[bytes]:
        with _translated():
            yield from self._connection.chunks()

    def close(self) -> None:
        self._connection.close()


class _AsyncBody(httpx.AsyncByteStream):
    def __init__(self, connection: StreamConnection) -> None:
        self._connection = connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translated():
            async for part in self._connection.chunks():
                yield part

    async def aclose(self) -> None:
        await self._connection.aclose()


class _AnyioStream:
    """A connection of anyio; raises OSError where it is lost."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        with _lost():
            await self._stream.send(data)

    async def receive(self) -> bytes:
        """What came, nothing at the end."""
        try:
            with _lost():
                return await self._stream.receive()
        except anyio.EndOfStream:
            return b""

    async def aclose(self) -> None:
        """Close it, at once."""
        await anyio.aclose_forcefully(self._stream)


async def _connected(request: Request, timeouts: Timeouts) -> _AnyioStream:
    url, context = request.url, context_for(request.url, _context(request))
    try:
        with anyio.fail_after(timeouts.connect):
            made = await anyio.connect_tcp(url.host, url.port)
            if context is None:
                return _AnyioStream(made)
            return _AnyioStream(
                await TLSStream.wrap(
                    made, hostname=url.host, ssl_context=context, standard_compatible=False
                )
            )
    except TimeoutError as error:
        raise errors.ConnectTimeoutError("no connection in time") from error
    except OSError as error:
        raise errors.ConnectError(str(error)) from error


def _ours(request: httpx.Request) -> tuple[Request, Timeouts]:
    limits: dict[str, Any] = request.extensions.get("timeout", {})
    with _translated():
        # The path as httpx has quoted it.
        url = replace(parse_url(str(request.url)), target=request.url.raw_path)
    return (
        Request(request.method, url, request.headers.raw),
        Timeouts(connect=limits.get("connect"), read=limits.get("read")),
    )


def _context(request: Request) -> ssl.SSLContext | None:
    """The app is served in the clear; a test may ask its client for something else."""
    return default_context() if request.url.is_secure else None


def _response(head: Head, body: _Body | _AsyncBody) -> httpx.Response:
    extensions = {"http_version": b"HTTP/1.1", "reason_phrase": head.reason}
    return httpx.Response(head.status, headers=head.headers, stream=body, extensions=extensions)


@contextlib.contextmanager
def _lost() -> Iterator[None]:
    try:
        yield
    except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
        raise ConnectionError(str(error.__cause__ or "the connection is closed")) from error


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Raise the errors of httpx for ours."""
    try:
        yield
    except errors.TransportError as error:
        raise _KINDS.get(type(error), httpx.ReadError)(str(error)) from error
