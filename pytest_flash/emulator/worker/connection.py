"""One keep-alive HTTP connection on the worker's event loop.

It speaks to the emulator alone, whose answers have a Content-Length or no body. For three small
requests a job ``http.client`` costs more than all the rest of the worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from .transport import Reply, TransportError

_READ_AHEAD = 1 << 20
_END_OF_HEAD = b"\r\n\r\n"
_BODILESS = (204, 304)


class ServerClosedError(ConnectionError):
    """The server closed the connection before it answered anything."""


class AsyncConnection:
    """Sends one request at a time; connects when needed and again after the server closed.

    ``timeout``: seconds for an answer.
    """

    def __init__(self, *, timeout: float) -> None:
        self._timeout = timeout
        self._netloc = ""
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._aborted = False

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Reply:
        """Send a request to an ``http`` address and read the whole answer.

        Raises TransportError when it is refused, reset, too late or not what an emulator says.
        """
        netloc, slash, target = url.partition("://")[2].partition("/")
        lines = [f"{method} {slash}{target} HTTP/1.1", f"Host: {netloc}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        message = "\r\n".join(lines).encode("latin-1") + _END_OF_HEAD + body
        if netloc != self._netloc:
            self.close()
            self._netloc = netloc
        try:
            if self._streams is not None:
                try:
                    return await self._exchange(message)
                except ServerClosedError:
                    self.close()
            return await self._exchange(message)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            self.close()
            raise TransportError(f"{method} {url}: {type(error).__name__}: {error}") from error

    def abort(self) -> None:
        """Make a request that is being waited for fail with TransportError, and all later ones."""
        self._aborted = True
        if self._streams is not None:
            self._streams[1].transport.abort()

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _exchange(self, message: bytes) -> Reply:
        if self._streams is None and not self._aborted:
            host, _, port = self._netloc.rpartition(":")
            self._streams = await asyncio.open_connection(
                host.strip("[]"), int(port), limit=_READ_AHEAD
            )
        if self._streams is None or self._aborted:
            raise ConnectionAbortedError("given up")
        reader, writer = self._streams
        timer = asyncio.get_running_loop().call_later(self._timeout, writer.transport.abort)
        deadline = timer.when()
        try:
            writer.write(message)
            return await _read(reader)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            if self._aborted:
                raise ConnectionAbortedError("given up") from error
            if asyncio.get_running_loop().time() >= deadline:
                raise TimeoutError(f"no answer within {self._timeout:g} s") from error
            raise
        finally:
            timer.cancel()


async def _read(reader: asyncio.StreamReader) -> Reply:
    try:
        head = await reader.readuntil(_END_OF_HEAD)
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        raise ServerClosedError("the server closed the connection") from error
    except ConnectionError as error:
        raise ServerClosedError(str(error)) from error
    status = int(head[9:12])
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
        elif name.lower() == b"transfer-encoding":
            raise ValueError("an answer without a Content-Length")
    if status in _BODILESS or not length:
        return Reply(status, b"")
    return Reply(status, await reader.readexactly(length))
