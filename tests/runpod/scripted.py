"""A server that answers as a test's script says: well, badly, half, late or never."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pytest_flash.target import Target, TargetKind

KEY = "the-secret-key"
OWNER = "PYTEST_FLASH_OWNER"
PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Request:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


class Exchange(BaseHTTPRequestHandler):
    """One connection; the server's script answers each of its requests."""

    protocol_version = "HTTP/1.1"
    timeout = 20
    disable_nagle_algorithm = True
    server: Listener
    request_read: Request

    def answer(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.request_read = Request(
            self.command,
            self.path,
            {name.lower(): value for name, value in self.headers.items()},
            json.loads(content) if content else None,
        )
        with contextlib.suppress(ConnectionError):
            self.server.owner.answer(self)

    do_GET = do_POST = do_PATCH = do_DELETE = answer

    def reply(
        self, status: int, content: bytes, headers: dict[str, str], length: int | None = None
    ) -> None:
        """An answer; one with a ``length`` that its content does not have ends the connection."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = length is not None

    def reset(self) -> None:
        """End the connection with a reset."""
        self.close_connection = True
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.shutdown(socket.SHUT_RD)

    def log_message(self, format: str, *args: Any) -> None: ...


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    owner: ScriptedServer


Act = Callable[[Exchange], None]


def says(
    body: Any, status: int = 200, kind: str = "application/json", **headers: str
) -> Callable[[Exchange], None]:
    """Answer ``body`` (bytes as they are, anything else as JSON); ``_`` in names is ``-``."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda exchange: exchange.reply(status, content, {"Content-Type": kind, **named})


def refuses(status: int, detail: str = "because", **headers: str) -> Act:
    """Answer a problem document."""
    problem = {"title": f"No {status}", "status": status, "detail": detail}
    return says(problem, status, PROBLEM, **headers)


def page(status: int = 200) -> Act:
    """Answer what a proxy does."""
    return says(b"<html><h1>Sorry</h1></html>", status, "text/html")


def half(body: Any, status: int = 200) -> Act:
    """Begin an answer and close the connection."""
    content = json.dumps(body).encode()
    kind = {"Content-Type": "application/json"}
    return lambda exchange: exchange.reply(
        status, content[: len(content) // 2], kind, length=len(content)
    )


def reset(exchange: Exchange) -> None:
    """Reset the connection instead of an answer."""
    exchange.reset()


def reset_midway(exchange: Exchange) -> None:
    """Reset the connection within an answer."""
    exchange.reply(200, b'{"endp', {"Content-Type": "application/json"}, length=1000)
    exchange.reset()


def silence(exchange: Exchange) -> None:
    """Accept and say nothing, until the server closes."""
    exchange.server.owner.closing.wait(20)
    exchange.close_connection = True


def trickle(exchange: Exchange) -> None:
    """Never finish an answer, and never stop sending it."""
    exchange.reply(200, b"{", {"Content-Type": "application/json"}, length=10**6)
    while not exchange.server.owner.closing.wait(0.02):
        exchange.wfile.write(b" ")


def trickle_headers(exchange: Exchange) -> None:
    """Never finish the headers of an answer, and never stop sending them."""
    exchange.wfile.write(b"HTTP/1.1 200 OK\r\nX-More: ")
    exchange.close_connection = True
    while not exchange.server.owner.closing.wait(0.02):
        exchange.wfile.write(b"x")


class ScriptedServer:
    """Plays the acts that were queued, then ``always``; remembers every request."""

    def __init__(self, port: int = 0) -> None:
        self.requests: list[Request] = []
        self.script: deque[Act] = deque()
        self.always: Act = says({})
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._listener = Listener(("127.0.0.1", port), Exchange)
        self._listener.owner = self
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def port(self) -> int:
        return self._listener.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def live(self) -> Target:
        """This server as Runpod, redirected."""
        return Target(TargetKind.LIVE, self.url, self.url, KEY, "a test asked")

    @property
    def embedded(self) -> Target:
        """This server as the emulator."""
        return Target(TargetKind.EMULATOR, self.url, self.url, KEY, "a test asked")

    def plays(self, *acts: Act) -> None:
        """Forget what was, and answer the next requests so."""
        with self._lock:
            self.requests.clear()
            self.script = deque(acts)

    def methods(self) -> list[str]:
        return [request.method for request in self.requests]

    def answer(self, exchange: Exchange) -> None:
        with self._lock:
            self.requests.append(exchange.request_read)
            act = self.script.popleft() if self.script else self.always
        act(exchange)

    def close(self) -> None:
        self.closing.set()
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()


@contextlib.contextmanager
def scripted() -> Iterator[ScriptedServer]:
    """A server for a ``with`` block."""
    server = ScriptedServer()
    try:
        yield server
    finally:
        server.close()


@dataclass
class FakeTime:
    """A clock that only sleeping moves."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.slept.append(seconds)
        # Always forward, however short the sleep: real clocks do not stand still either.
        self.now = max(math.nextafter(self.now, math.inf), self.now + seconds)

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Account:
    """Endpoints of an account, as REST v2 keeps them; the well-behaved part of a server."""

    def __init__(self) -> None:
        self.endpoints: dict[str, dict[str, Any]] = {}
        # Downwards, so that the order of ids is not the order of age.
        self._ids = (f"ep{number}" for number in itertools.count(999, -1))
        self._late: list[tuple[int, dict[str, Any]]] = []
        self._lock = threading.Lock()

    def add(self, request: dict[str, Any]) -> dict[str, Any]:
        """Create an endpoint now."""
        number = next(self._ids)
        document = {"timeout": 300000, **request, "id": number}
        document["createdAt"] = f"2026-11-23T00:00:{len(self.endpoints):02}Z"
        self.endpoints[number] = document
        return document

    def add_late(self, request: dict[str, Any], requests: int) -> None:
        """Create an endpoint when so many more requests have come."""
        self._late.append((requests, request))

    def named(self, name: str, owner: str) -> list[str]:
        return [
            number
            for number, each in self.endpoints.items()
            if each["name"] == name and each["env"].get(OWNER) == owner
        ]

    def answer(self, exchange: Exchange) -> None:
        """Serve ``/v2/serverless`` as it should be."""
        with self._lock:
            self._land()
            request = exchange.request_read
            number = request.path.removeprefix("/v2/serverless").strip("/")
            if request.method == "POST":
                act = says(self.add(request.body), 201)
            elif number and number not in self.endpoints:
                act = refuses(404)
            elif request.method == "DELETE":
                del self.endpoints[number]
                act = says(b"", 204)
            elif number:
                act = says(self.endpoints[number])
            else:
                act = says({"endpoints": list(self.endpoints.values())})
        act(exchange)

    def creates(self, act: Act) -> Act:
        """Create what is asked for, but answer so."""

        def done(exchange: Exchange) -> None:
            with self._lock:
                self.add(exchange.request_read.body)
            act(exchange)

        return done

    def creates_late(self, requests: int, act: Act) -> Act:
        """Answer so, and create it when so many more requests have come."""

        def done(exchange: Exchange) -> None:
            with self._lock:
                self.add_late(exchange.request_read.body, requests)
            act(exchange)

        return done

    def _land(self) -> None:
        waiting = [(left - 1, request) for left, request in self._late]
        self._late = [each for each in waiting if each[0] > 0]
        for left, request in waiting:
            if left <= 0:
                self.add(request)


def elapsed(work: Callable[[], object]) -> float:
    """Seconds that ``work`` takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began
