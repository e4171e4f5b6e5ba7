"""One HTTP/1.1 connection on asyncio: h11 reads and writes the messages."""

from __future__ import annotations

import asyncio
import select
from dataclasses import dataclass
from typing import cast

import h11
import httpx

from ..network.response_limits import WHOLE_LIMIT, LimitedBody
from .timeouts import PARTS

# Interim answers (1xx) before one: servers send one or two.
_INFORMED = 100


@dataclass(frozen=True)
class RawResponse:
    """One answer, complete and unpacked. ``headers`` are as they were sent."""

    status: int
    reason: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes


class ClientConnection(asyncio.Protocol):
    """Sends one request at a time and reads its whole answer.

    It fails with an ``httpx.RequestError`` and is of no more use then, nor after a cancelled
    exchange: ``abort`` must follow either.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._http = h11.Connection(h11.CLIENT)
        self._transport: asyncio.Transport
        self._answer: asyncio.Future[RawResponse] | None = None
        self._head: h11.Response | None = None
        self._body = LimitedBody(())
        self._began, self._whole = 0.0, WHOLE_LIMIT
        self._informed = 0
        self._received = 0
        self.lost: asyncio.Future[None] = self._loop.create_future()

    async def exchange(
        self,
        request: httpx.Request,
        content: bytes,
        patience: float | None,
        whole: float = WHOLE_LIMIT,
    ) -> RawResponse:
        """Send a request and read its answer.

        It fails when for ``patience`` seconds, or a little longer, no byte went either way, where
        the answer has no end (``response_limits``), and when it takes ``whole`` seconds or more.
        """
        self._answer = self._loop.create_future()
        self._head, self._informed, self._whole = None, 0, whole
        self._transport.write(self._message(request, content))
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
        if self._http.our_state is not h11.IDLE or self._transport.is_closing():
            return False
        if self._http.trailing_data[0]:
            return False
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not poll.poll(0)

    def abort(self) -> None:
        """Close at once; ``lost`` is done when that has happened."""
        self._transport.abort()

    def progress(self) -> tuple[int, int]:
        """Something that changes whenever bytes go either way."""
        return self._received, self._transport.get_write_buffer_size()

    def lasts(self) -> bool:
        """Whether the answer has begun and takes longer than any does."""
        return self._head is not None and self._loop.time() - self._began > self._whole

    def fail(self, error: httpx.RequestError) -> None:
        """End the exchange, if there is one, with ``error``."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    def _message(self, request: httpx.Request, content: bytes) -> bytes:
        head = h11.Request(
            method=request.method, target=request.url.raw_path, headers=request.headers.raw
        )
        events = [head, h11.Data(data=content), h11.EndOfMessage()]
        try:
            return b"".join(self._http.send(event) or b"" for event in events)
        except h11.LocalProtocolError as error:
            raise httpx.LocalProtocolError(str(error)) from error

    def _read(self) -> None:
        """Take what h11 has understood so far."""
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Response):
                self._head, self._began = event, self._loop.time()
                self._body = LimitedBody(event.headers.raw_items())
            elif isinstance(event, h11.Data):
                self._body.add(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                self._complete()
                return
            elif isinstance(event, h11.InformationalResponse):
                self._informed += 1
                if self._informed > _INFORMED:
                    raise httpx.RemoteProtocolError("the server goes on announcing an answer")
            else:
                return

    def _complete(self) -> None:
        head = self._head
        if head is None or self._answer is None or self._answer.done():
            return
        whole = self._body.whole()
        answer = RawResponse(head.status_code, bytes(head.reason), head.headers.raw_items(), whole)
        self._answer.set_result(answer)
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Part of an answer; an empty one is its end."""
        self._received += len(data)
        if self._answer is None or self._answer.done():
            self._transport.abort()  # nobody asked
            return
        try:
            self._http.receive_data(data)
            self._read()
        except h11.RemoteProtocolError as error:
            text = str(error) if data else "the server closed the connection, its answer incomplete"
            self.fail(httpx.RemoteProtocolError(text))
            self._transport.abort()
        except httpx.RequestError as error:
            self.fail(error)
            self._transport.abort()

    def eof_received(self) -> None:
        """The server sends no more: an answer without a length is complete, others are not."""
        self.data_received(b"")

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self.fail(httpx.ReadError(str(error or "the server closed the connection")))
        if not self.lost.done():
            self.lost.set_result(None)


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
            self._connection.fail(httpx.ReadTimeout("the answer has begun and does not end"))
        elif self._connection.progress() != self._seen:
            self._start()
        elif self._parts < PARTS:
            self._wait()
        else:
            self._connection.fail(httpx.ReadTimeout(f"nothing came for {self._seconds:g} s"))
