"""An HTTP server for what a load balancer asks of a worker: one request for each connection."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

_CREDENTIAL = "x-flash-worker-credential"
_LOOPBACK = "127.0.0.1"
_HEAD_LIMIT = 1 << 20
_HEALTHY = b'{"status": "healthy"}'


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    credential: str
    body: bytes


class Server:
    """Serves ``GET /ping`` and ``POST /execute`` as the images for load balancing do.

    ``execute`` gets the object that was posted and returns the JSON to answer with. Whoever knew
    the port could run code here, so all but the health check needs ``credential``.
    """

    def __init__(
        self, credential: str, execute: Callable[[dict[str, Any]], Awaitable[bytes]]
    ) -> None:
        self._credential = credential.encode()
        self._execute = execute
        self._listening: list[asyncio.Server] = []
        self._busy: set[asyncio.Task[None]] = set()

    async def start(self, ports: Iterable[int]) -> None:
        """Listen on loopback. Raises OSError for a port that is taken."""
        for port in ports:
            listening = await asyncio.start_server(
                self._accept, _LOOPBACK, port, limit=_HEAD_LIMIT, backlog=1024
            )
            self._listening.append(listening)

    async def stop(self) -> None:
        """Take no further connection; return when those that were taken have been answered."""
        for each in self._listening:
            each.close()
        while self._busy:
            await asyncio.wait(self._busy)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task for each connection, and so a context for each call.
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The balancer may go away at any moment; it is told nothing then.
        with contextlib.suppress(ConnectionError):
            try:
                request = await _read(reader)
            except (ValueError, EOFError, asyncio.LimitOverrunError):
                status, answer = HTTPStatus.BAD_REQUEST, _detail("Bad Request")
            else:
                status, answer = await self._answer(request)
            writer.write(_response(status, answer))
            await writer.drain()
        writer.close()

    async def _answer(self, request: _Request) -> tuple[HTTPStatus, bytes]:
        """What FastAPI answers in the images, as far as anybody can tell the difference."""
        if request.path == "/ping":
            if request.method != "GET":
                return HTTPStatus.METHOD_NOT_ALLOWED, _detail("Method Not Allowed")
            return HTTPStatus.OK, _HEALTHY
        if not hmac.compare_digest(request.credential.encode(), self._credential):
            return HTTPStatus.FORBIDDEN, _detail("only the emulator's load balancer is served")
        if request.path != "/execute":
            return HTTPStatus.NOT_FOUND, _detail("Not Found")
        if request.method != "POST":
            return HTTPStatus.METHOD_NOT_ALLOWED, _detail("Method Not Allowed")
        try:
            body = json.loads(request.body)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return HTTPStatus.UNPROCESSABLE_ENTITY, _detail("the body must be a JSON object")
        return HTTPStatus.OK, await self._execute(body)


async def _read(reader: asyncio.StreamReader) -> _Request:
    """Read a request, whose body has a length. Raises ValueError for what is none."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *fields = head.removesuffix("\r\n\r\n").split("\r\n")
    method, target, _ = line.split(" ")
    headers = {}
    for field in fields:
        name, _, value = field.partition(":")
        headers[name.strip().lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return _Request(method, target.partition("?")[0], headers.get(_CREDENTIAL, ""), body)


def _response(status: HTTPStatus, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        "content-type: application/json\r\n"
        f"content-length: {len(body)}\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode() + body


def _detail(text: str) -> bytes:
    return json.dumps({"detail": text}).encode()
