"""One connection on asyncio, for whole responses."""

from __future__ import annotations

import asyncio
import select
from typing import cast

from .errors import LostConnectionError, ReadTimeoutError, TransportError
from .messages import Request, Response
from .protocol import ClientProtocol, ResponseReader
from .timeouts import PARTS


class ClientConnection(asyncio.Protocol):
    """Sends one request at a time and reads its whole response.

    It fails with a TransportError and is of no more use then, nor after a cancelled exchange:
    ``abort`` must follow either.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._http = ClientProtocol()
        self._reader: ResponseReader
        self._transport: asyncio.Transport
        self._answer: asyncio.Future[Response] | None = None
        self._began: float | None = None
        self._whole = 0.0
        self._received = 0
        self.lost: asyncio.Future[None] = self._loop.create_future()

    async def exchange(self, request: Request, patience: float | None, whole: float) -> Response:
        """Send a request and read its response.

        It fails when for ``patience`` seconds, or a little longer, no byte went either way, where
        the response has no end (``body_limits``), and ``whole`` seconds after its first byte.
        """
        message = self._http.whole(request)
        self._answer = self._loop.create_future()
        self._reader = ResponseReader(request, self._http)
        self._began, self._whole = None, whole
        self._transport.write(message)
        timer = None if patience is None else _Patience(self, self._loop, patience)
        try:
            return await self._answer
        finally:
            if timer is not None:
                timer.cancel()

    def is_fresh(self) -> bool:
        """Whether a request may be sent: nothing has come since the last answer, no end either.

        The system is asked, since the event loop may not have looked yet.
        """
        if not self._http.is_idle or self._transport.is_closing():
            return False
        return not readable(self._transport.get_extra_info("socket").fileno())

    def abort(self) -> None:
        """Close at once; ``lost`` is done when that has happened."""
        self._transport.abort()

    def progress(self) -> tuple[int, int]:
        """Something that changes whenever bytes go either way."""
        return self._received, self._transport.get_write_buffer_size()

    def lasts(self) -> bool:
        """Whether the response has begun and takes longer than any does."""
        return self._began is not None and self._loop.time() - self._began > self._whole

    def fail(self, error: TransportError) -> None:
        """End the exchange, if there is one, with ``error``."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Part of a response; an empty one is its end."""
        self._received += len(data)
        if self._answer is None or self._answer.done():
            self._transport.abort()  # nobody asked
            return
        if self._began is None:
            self._began = self._loop.time()
        try:
            self._http.receive(data)
            response = self._reader.read()
        except TransportError as error:
            self.fail(error)
            self._transport.abort()
        else:
            if response is not None:
                self._answer.set_result(response)

    def eof_received(self) -> None:
        """The server sends no more: an answer without a length is complete, others are not."""
        self.data_received(b"")

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self.fail(LostConnectionError(str(error or "the server closed the connection")))
        if not self.lost.done():
            self.lost.set_result(None)


def readable(descriptor: int) -> bool:
    """Whether something has come on a socket, or its end."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


class _Patience:
    """Fails the exchange of a connection on which nothing moves; see ``patience``."""

    def __init__(
        self, connection: ClientConnection, loop: asyncio.AbstractEventLoop, seconds: float
    ) -> None:
        self._connection = connection
        self._loop = loop
        self._seconds = seconds
        self._start()

    def cancel(self) -> None:
        """Watch no longer."""
        self._timer.cancel()

    def _start(self) -> None:
        self._seen, self._parts = self._connection.progress(), 0
        self._wait()

    def _wait(self) -> None:
        self._timer = self._loop.call_later(self._seconds / PARTS, self._look)

    def _look(self) -> None:
        self._parts += 1
        if self._connection.lasts():
            self._connection.fail(ReadTimeoutError("the answer has begun and does not end"))
        elif self._connection.progress() != self._seen:
            self._start()
        elif self._parts < PARTS:
            self._wait()
        else:
            self._connection.fail(ReadTimeoutError(f"nothing came for {self._seconds:g} s"))
