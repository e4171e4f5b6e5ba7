"""WebSockets carried to a worker and back."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from ...http.messages import Headers

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Send

_LOOPBACK = "127.0.0.1"
_OPEN_LIMIT = 30.0
_NORMAL, _GOING_AWAY, _FAILED = 1000, 1001, 1011
# RFC 6455, 7.4.1: what no frame may carry, and what each means for the other end.
_NEVER_SENT = {1005: _NORMAL, 1006: _GOING_AWAY, 1015: _GOING_AWAY, None: _GOING_AWAY}

# The client library writes these itself.
_HANDSHAKE = (
    b"host",
    b"sec-websocket-key",
    b"sec-websocket-version",
    b"sec-websocket-extensions",
    b"sec-websocket-protocol",
)


class DeniedError(Exception):
    """The worker did not accept the WebSocket, and answered so."""

    def __init__(self, status: int, body: bytes, kind: str) -> None:
        super().__init__(f"the worker answered {status}")
        self.status = status
        self.body = body
        self.kind = kind


class UnreachableError(Exception):
    """The worker gave no answer to the request for a WebSocket."""


@dataclass(frozen=True)
class Opening:
    """What a client asked for; ``target`` is the path with its query."""

    target: str
    host: str
    headers: Headers
    subprotocols: tuple[str, ...]
    limit: int


async def open_socket(opening: Opening, port: int) -> ClientConnection:
    """Connect to the worker on a port of this machine; messages have ``limit`` bytes at most.

    Raises DeniedError and UnreachableError.
    """
    kept = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in opening.headers
        if name not in _HANDSHAKE
    ]
    try:
        # A socket of our own, so that no proxy is used.
        link = socket.socket()
        link.setblocking(False)
        await asyncio.get_running_loop().sock_connect(link, (_LOOPBACK, port))
        return await connect(
            f"ws://{opening.host}{opening.target}",
            sock=link,
            additional_headers=kept,
            subprotocols=[*opening.subprotocols] or None,  # type: ignore[list-item]
            compression=None,
            user_agent_header=None,
            max_size=opening.limit,
            open_timeout=_OPEN_LIMIT,
            ping_interval=None,
        )
    except InvalidStatus as error:
        answer = error.response
        kind = answer.headers.get("Content-Type", "text/plain")
        raise DeniedError(answer.status_code, bytes(answer.body or b""), kind) from error
    except (OSError, InvalidHandshake, asyncio.TimeoutError) as error:
        raise UnreachableError(f"{type(error).__name__}: {error}") from error


async def carry(
    worker: ClientConnection, receive: Receive, send: Send, lost: asyncio.Future[Any]
) -> None:
    """Pass messages on, both ways, until either end closes or ``lost`` is done."""
    inwards = asyncio.ensure_future(_to_worker(worker, receive))
    outwards = asyncio.ensure_future(_to_client(worker, send))
    try:
        await asyncio.wait((inwards, outwards, lost), return_when=asyncio.FIRST_COMPLETED)
        if inwards.done():
            await worker.close(inwards.result())
        else:
            code, reason = _FAILED, "the worker was lost"
            if outwards.done():
                code, reason = outwards.result()
            with contextlib.suppress(OSError):  # the client has gone, too
                await send({"type": "websocket.close", "code": code, "reason": reason})
    finally:
        await _cancelled(inwards, outwards)
        worker.transport.abort()


async def _to_worker(worker: ClientConnection, receive: Receive) -> int:
    """Pass on what the client sends; the code with which it closed."""
    while True:
        message: Message = await receive()
        if message["type"] == "websocket.disconnect":
            return _sendable(message.get("code"))
        text = message.get("text")
        try:
            await worker.send(text if text is not None else message["bytes"])
        except ConnectionClosed:
            await asyncio.Event().wait()  # the other direction learns of it, with the code


async def _to_client(worker: ClientConnection, send: Send) -> tuple[int, str]:
    """Pass on what the worker sends; the code and reason with which it closed."""
    try:
        while True:
            message = await worker.recv()
            kind = "text" if isinstance(message, str) else "bytes"
            await send({"type": "websocket.send", kind: message})
    except OSError:
        return _GOING_AWAY, ""
    except ConnectionClosed as error:
        if error.rcvd is None:
            return _FAILED, "the worker closed the connection without a word"
        return _sendable(error.rcvd.code), error.rcvd.reason


def _sendable(code: int | None) -> int:
    return _NEVER_SENT.get(code, code or _GOING_AWAY)


async def _cancelled(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
