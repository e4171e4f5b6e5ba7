"""One keep-alive HTTP connection on the worker's event loop, as cheap for each job as may be."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import cast

from ..process.descriptors import socket_up
from .http_text import IncomingResponse, Reply, ServerClosedError, TransportError, address, request

_BUFFER_SIZE = 1 << 18


class AsyncConnection:
    """Sends one request at a time; connects when needed and again after the server closed.

    ``timeout``: seconds for an answer.
    """

    def __init__(self, *, timeout: float) -> None:
        self._timeout = timeout
        self._netloc = ""
        self._link: _Link | None = None
        self._aborted = False

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Reply:
        """Send a request to an ``http`` address and read the whole answer.

        Raises TransportError when it is refused, reset, too late or not what an emulator says.
        """
        netloc, message = request(method, url, headers, body)
        if netloc != self._netloc:
            self.close()
            self._netloc = netloc
        try:
            if self._link is not None:
                try:
                    return await self._link.ask(message)
                except ServerClosedError:
                    self.close()
            return await (await self._connected()).ask(message)
        except (OSError, EOFError, ValueError) as error:
            self.close()
            reason = "given up" if self._aborted else f"{type(error).__name__}: {error}"
            raise TransportError(f"{method} {url}: {reason}") from error

    def abort(self) -> None:
        """Make a request that is being waited for fail with TransportError, and all later ones."""
        self._aborted = True
        if self._link is not None:
            self._link.close()

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        if self._link is not None:
            self._link.close()
            self._link = None

    async def _connected(self) -> _Link:
        loop, where = asyncio.get_running_loop(), address(self._netloc)
        family = socket.AF_INET6 if ":" in where[0] else socket.AF_INET
        made = socket_up(socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP))
        try:
            made.setblocking(False)
            await loop.sock_connect(made, where)
            _, link = await loop.create_connection(lambda: _Link(self._timeout), sock=made)
        except BaseException:
            made.close()
            raise
        if self._aborted:
            link.close()
        self._link = link
        return link


class _Link(asyncio.BufferedProtocol):
    """One connection to the server: a request goes out, its answer comes in."""

    def __init__(self, timeout: float) -> None:
        # For good: else each piece is received into new memory of this size, new to the system too.
        self._buffer = memoryview(bytearray(_BUFFER_SIZE))
        self._loop = asyncio.get_running_loop()
        self._timeout = timeout
        self._transport: asyncio.Transport | None = None
        self._incoming = IncomingResponse()
        self._answer: asyncio.Future[Reply] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def ask(self, message: bytes) -> Reply:
        """Send a request and wait for its answer.

        Raises ServerClosedError, or other OSErrors, EOFError and ValueError once the answer has
        begun; the connection is of no use then.
        """
        if self._transport is None or self._transport.is_closing():
            raise ServerClosedError("the server closed the connection")
        self._answer = self._loop.create_future()
        self._deadline = self._loop.time() + self._timeout
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._look_at_clock)
        self._transport.write(message)
        return await self._answer

    def close(self) -> None:
        """Close the connection at once; whoever waits for an answer gets an error."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's."""
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio passes it
        """asyncio's."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """asyncio's."""
        try:
            reply = self._incoming.add(self._buffer[:nbytes])
            if self._answer is None or self._answer.done():
                raise ValueError("an answer that nobody asked for")
        except ValueError as error:
            self._fail(error)
            return
        if reply is not None:
            self._incoming = IncomingResponse()
            self._answer.set_result(reply)

    def connection_lost(self, error: Exception | None) -> None:
        """asyncio's."""
        if self._timer is not None:
            self._timer.cancel()
        if self._incoming.begun:
            self._fail(EOFError("the answer broke off"))
        else:
            self._fail(ServerClosedError(str(error or "the server closed the connection")))

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        self.close()

    def _look_at_clock(self) -> None:
        # One timer for all requests: to set and cancel one for each costs more than to look.
        self._timer = None
        if self._answer is None or self._answer.done():
            return
        if self._loop.time() >= self._deadline:
            self._fail(TimeoutError(f"no answer within {self._timeout:g} s"))
        else:
            self._timer = self._loop.call_at(self._deadline, self._look_at_clock)
