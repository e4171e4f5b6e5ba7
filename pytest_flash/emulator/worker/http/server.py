"""An HTTP server for what a load balancer asks of a worker: one request for each connection."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hmac
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from ..process.broken_worker import BrokenWorkerError, broken
from ..process.descriptors import socket_up
from ..process.tasks import own_task
from .http_text import decode_json, encode_json

BALANCER_FIELD: Final = b"x-flash-balancer"
"""The header in which the balancer proves itself."""
_FIELD = BALANCER_FIELD.decode()
_LOOPBACK = "127.0.0.1"
_HEAD_LIMIT = 1 << 20
# For a request to arrive whole, in seconds; and at the worker's end for one that is on its way.
_ARRIVAL, _ARRIVAL_AT_THE_END = 60.0, 0.2
# Between attempts to take a connection, in seconds; and how many fail for want of descriptors.
_PAUSE, _MOST_FAILURES = 0.1, 10
_HEALTHY = b'{"status": "healthy"}'


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    proof: str
    body: bytes


def balancer_proof(credential: str) -> str:
    """What the balancer sends to a worker with this credential: it does not give it away."""
    return hmac.new(credential.encode(), b"load balancer", "sha256").hexdigest()


class WorkerServer:
    """Serves ``GET /ping`` and ``POST /execute`` as the images for load balancing do.

    ``execute`` gets the object that was posted and returns the JSON to answer with. Whoever knew
    the port could run code here, so all but the health check needs a proof that whoever asks
    knows the worker's ``credential``.
    """

    def __init__(
        self, credential: str, execute: Callable[[dict[str, Any]], Awaitable[bytes]]
    ) -> None:
        self._proof = balancer_proof(credential).encode()
        self._execute = execute
        self._listening: dict[asyncio.Task[None], socket.socket] = {}
        self._arriving: set[asyncio.Task[None]] = set()
        self._busy: set[asyncio.Task[None]] = set()
        self.broken: asyncio.Future[BrokenWorkerError] = asyncio.get_running_loop().create_future()
        """Has a result once something went wrong in the worker's own code."""

    async def start(self, ports: Iterable[int]) -> None:
        """Listen on loopback. Raises OSError for a port that is taken."""
        for port in ports:
            listener = socket_up(socket.create_server((_LOOPBACK, port), backlog=1024))
            listener.setblocking(False)
            self._listening[own_task(self._accept(listener))] = listener

    async def stop(self) -> None:
        """Take no further connection; return when what was asked on those taken is answered."""
        for accepting, listener in self._listening.items():
            accepting.cancel()
            listener.close()
        if self._arriving:
            await asyncio.wait(self._arriving, timeout=_ARRIVAL_AT_THE_END)
        for each in self._arriving:
            each.cancel()
        while self._busy:
            await asyncio.wait(self._busy)

    def _served(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.give_up(error)

    def give_up(self, error: BaseException) -> BrokenWorkerError:
        """The worker's own code raised ``error``: what to say of it."""
        if not self.broken.done():
            self.broken.set_result(broken(error))
        return self.broken.result()

    async def _accept(self, listener: socket.socket) -> None:
        try:
            while True:
                taken = await self._next(listener)
                # A task for each connection, and so a context for each call.
                task = own_task(self._serve(taken))
                for tasks in (self._arriving, self._busy):
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                task.add_done_callback(self._served)
        except Exception as error:  # noqa: BLE001 - whatever a job has changed
            self.give_up(error)

    async def _next(self, listener: socket.socket) -> socket.socket:
        """The next connection. Raises OSError where no descriptor is left, or gets free again."""
        failures = 0
        while True:
            try:
                taken, _ = await asyncio.get_running_loop().sock_accept(listener)
                return socket_up(taken)
            except OSError as error:  # Else its client has gone.
                full = error.errno in (errno.EMFILE, errno.ENFILE) and not self._busy
                failures = failures + 1 if full else 0
                if failures == _MOST_FAILURES:
                    raise
                await asyncio.sleep(_PAUSE)

    async def _serve(self, taken: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=taken, limit=_HEAD_LIMIT)
        # The balancer may go away at any moment; it is told nothing then.
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            try:
                reading = own_task(_read(reader))
                try:
                    await asyncio.wait((reading,), timeout=_ARRIVAL)
                finally:
                    reading.cancel()
                if not reading.done():
                    return  # Nobody asks anything.
                request = reading.result()
            except (ValueError, EOFError, asyncio.LimitOverrunError):
                status, answer = HTTPStatus.BAD_REQUEST, _detail("Bad Request")
            else:
                self._arriving.discard(asyncio.current_task())
                status, answer = await self._answer(request)
            writer.write(_response(status, answer))
            await writer.drain()

    async def _answer(self, request: _Request) -> tuple[HTTPStatus, bytes]:
        """What FastAPI answers in the images, as far as anybody can tell the difference."""
        if request.path == "/ping":
            if request.method != "GET":
                return HTTPStatus.METHOD_NOT_ALLOWED, _detail("Method Not Allowed")
            return HTTPStatus.OK, _HEALTHY
        if not hmac.compare_digest(request.proof.encode(), self._proof):
            return HTTPStatus.FORBIDDEN, _detail("only the emulator's load balancer is served")
        if request.path != "/execute":
            return HTTPStatus.NOT_FOUND, _detail("Not Found")
        if request.method != "POST":
            return HTTPStatus.METHOD_NOT_ALLOWED, _detail("Method Not Allowed")
        try:
            body = decode_json(request.body.decode())
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
    return _Request(method, target.partition("?")[0], headers.get(_FIELD, ""), body)


def _response(status: HTTPStatus, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        "content-type: application/json\r\n"
        f"content-length: {len(body)}\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode() + body


def _detail(text: str) -> bytes:
    return encode_json({"detail": text}).encode()
