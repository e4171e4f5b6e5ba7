"""One HTTP request carried to a worker, and the answer carried back as it comes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import h11

if TYPE_CHECKING:
    from starlette.types import Send

_LOOPBACK = "127.0.0.1"
_CHUNK = 1 << 16
_HEAD_LIMIT = 1 << 17

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

Headers = Sequence[tuple[bytes, bytes]]


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

        Raises RelayError and TooLargeError, and h11.LocalProtocolError for a request that cannot
        be written down.
        """
        try:
            reader, writer = await asyncio.open_connection(_LOOPBACK, port)
        except OSError as error:
            raise RelayError(f"no connection to its port {port}: {error.strerror}") from error
        try:
            await self._exchange(request, reader, writer)
        except OSError as error:
            raise RelayError(f"the connection was lost: {error}") from error
        except h11.RemoteProtocolError as error:
            raise RelayError(f"its answer is no HTTP, or not complete: {error}") from error
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _exchange(
        self, request: RelayedRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        worker = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_LIMIT)
        for event in _events(request):
            if data := worker.send(event):
                writer.write(data)
        # Not drained: a worker may answer before it has read the whole body.
        while True:
            answer = worker.next_event()
            if answer is h11.NEED_DATA:
                worker.receive_data(await reader.read(_CHUNK))
            elif isinstance(answer, h11.Response):
                await self._head(answer)
            elif isinstance(answer, h11.Data):
                await self._part(bytes(answer.data))
            elif isinstance(answer, h11.EndOfMessage | h11.ConnectionClosed):
                await self._send({"type": "http.response.body", "more_body": False})
                return

    async def _head(self, answer: h11.Response) -> None:
        headers = end_to_end(answer.headers)
        length = next((value for name, value in headers if name == b"content-length"), b"0")
        if int(length) > self._limit:
            raise TooLargeError
        self.begun = True
        await self._send(
            {
                "type": "http.response.start",
                "status": answer.status_code,
                "headers": list(self._rewrite(headers)),
            }
        )

    async def _part(self, data: bytes) -> None:
        self._passed += len(data)
        if self._passed > self._limit:
            raise TooLargeError
        await self._send({"type": "http.response.body", "body": data, "more_body": True})


def _events(request: RelayedRequest) -> list[h11.Request | h11.Data | h11.EndOfMessage]:
    headers = [*request.headers, (b"connection", b"close")]
    if request.body and not any(name == b"content-length" for name, _ in headers):
        headers.append((b"content-length", b"%d" % len(request.body)))
    head = h11.Request(method=request.method, target=request.target, headers=headers)
    body = [h11.Data(data=request.body)] if request.body else []
    return [head, *body, h11.EndOfMessage()]
