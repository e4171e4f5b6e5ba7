"""Servers whose responses have no end, or unpack to what no machine has room for."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gzip
import json
import os
import socket
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from pytest_flash.emulator.client.control import EmulatorControl
from pytest_flash.emulator.queue.webhooks import Webhooks
from pytest_flash.emulator.worker.http.http_text import TransportError
from pytest_flash.emulator.worker.http.thread_connection import ThreadConnection as WorkerConnection
from pytest_flash.errors import EmulatorError, RunpodConnectionError
from pytest_flash.http.body_limits import BODY_LIMIT, LimitedBody
from pytest_flash.http.errors import DecodingError, OversizedError
from pytest_flash.network.proxies import Network
from pytest_flash.runpod import (
    Endpoint,
    LoadBalancerClient,
    LogClient,
    ManagementClient,
    Pace,
    QueueClient,
    RetryPolicy,
)
from pytest_flash.target import Target, TargetKind

SLACK = 32_000_000  # What the system holds of a connection, both ways.


@dataclass
class Flood:
    """A server that answers every request with ``head``, then with ``piece`` without an end."""

    head: bytes
    piece: bytes
    sent: int = 0
    ended: int = 0
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._flood, args=(connection,), daemon=True).start()

    def _flood(self, connection: socket.socket) -> None:
        with connection:
            self._answer(connection)
        self.ended += 1

    def _answer(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.recv(1 << 16)
            connection.sendall(self.head)
            while self.piece:
                connection.sendall(self.piece)
                self.sent += len(self.piece)
            # The client is the one to close.
            while connection.recv(1 << 16):
                pass

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"


Start = Callable[..., Flood]


@pytest.fixture
def flood() -> Iterator[Start]:
    made: list[Flood] = []

    def start(head: bytes, piece: bytes = b"") -> Flood:
        made.append(Flood(head, piece))
        threading.Thread(target=made[-1].serve, daemon=True).start()
        return made[-1]

    yield start
    for each in made:
        with contextlib.suppress(OSError):
            each.listener.shutdown(socket.SHUT_RDWR)
        each.listener.close()


def target(url: str) -> Target:
    network = Network.of(os.environ)
    return Target(TargetKind.LIVE, url, url, "the-key", "a test asked", network=network)


def list_endpoints(url: str) -> object:
    once = RetryPolicy(attempts=1)
    with ManagementClient(target(url), pace=Pace.unlimited(), retry=once) as client:
        return client.endpoints()


def ask_for_status(url: str) -> object:
    return asyncio.run(QueueClient(target(url)).status("ep", "job"))


def execute(url: str) -> object:
    endpoint = Endpoint.model_validate(
        {"id": "ep", "name": "ep", "timeout": 1000, "requestUrls": {"base": url}}
    )
    return asyncio.run(LoadBalancerClient(target(url)).execute(endpoint, b"{}"))


def list_workers(url: str) -> object:
    return asyncio.run(LogClient(target(url)).running("ep"))


def follow_logs(url: str) -> object:
    async def follow() -> list[object]:
        return [each async for each in LogClient(target(url)).follow("ep", "worker")]

    return asyncio.run(follow())


def set_a_fault(url: str) -> object:
    with EmulatorControl(f"{url}/api", "the-key") as control:
        return control.endpoints()


CLIENTS = (list_endpoints, ask_for_status, execute, list_workers, set_a_fault)
WORKER = b"X-Runpod-Worker-Id: w\r\n"
PLAIN = b"HTTP/1.1 200 OK\r\n" + WORKER
CHUNK = b"10000\r\n" + b" " * 0x10000 + b"\r\n"


REFUSAL = b"HTTP/1.1 500 No\r\n"


@pytest.mark.parametrize(
    ("ask", "head"),
    [*((ask, PLAIN) for ask in CLIENTS), (ask_for_status, REFUSAL), (list_endpoints, REFUSAL)],
)
def test_a_body_without_an_end_is_not_read_to_the_last_byte_of_memory(
    flood: Start, ask: Callable[[str], object], head: bytes
) -> None:
    server = flood(head + b"Transfer-Encoding: chunked\r\n\r\n", CHUNK)
    with pytest.raises((RunpodConnectionError, EmulatorError), match="more than 64 MB, which no"):
        ask(server.url)
    assert server.sent < BODY_LIMIT + SLACK


@pytest.mark.parametrize("ask", [ask_for_status, list_endpoints])
def test_a_body_that_ends_with_the_connection_has_the_same_limit(
    flood: Start, ask: Callable[[str], object]
) -> None:
    server = flood(PLAIN + b"Connection: close\r\n\r\n", b" " * 0x10000)
    with pytest.raises(RunpodConnectionError, match="more than 64 MB, which no"):
        ask(server.url)
    assert server.sent < BODY_LIMIT + SLACK


@pytest.mark.parametrize("ask", CLIENTS)
def test_a_length_beyond_all_measure_ends_it_before_the_first_byte(
    flood: Start, ask: Callable[[str], object]
) -> None:
    server = flood(PLAIN + b"Content-Length: 70000000000\r\n\r\n", b" " * 0x10000)
    with pytest.raises((RunpodConnectionError, EmulatorError), match="more than 64 MB, which no"):
        ask(server.url)
    assert server.sent < SLACK


@functools.cache
def packed(kind: str) -> bytes:
    """Very much of nothing: a thousandth of its length."""
    packer = zlib.compressobj(9, zlib.DEFLATED, {"gzip": 31, "deflate": 15, "raw": -15}[kind])
    zeros = bytes(1 << 20)
    return b"".join(packer.compress(zeros) for _ in range(80)) + packer.flush()


@pytest.mark.parametrize(
    ("ask", "kind"),
    [*((ask, "gzip") for ask in CLIENTS), (ask_for_status, "deflate"), (ask_for_status, "raw")],
)
def test_a_bomb_is_not_unpacked(flood: Start, ask: Callable[[str], object], kind: str) -> None:
    content = packed(kind)
    head = b"Content-Encoding: " + (b"gzip" if kind == "gzip" else b"deflate") + b"\r\n"
    server = flood(PLAIN + head + b"Content-Length: %d\r\n\r\n" % len(content) + content)
    with pytest.raises((RunpodConnectionError, EmulatorError), match="64 MB when it is unpacked"):
        ask(server.url)


@pytest.mark.parametrize(
    ("ask", "encoding"),
    [*((ask, b"br") for ask in CLIENTS), (ask_for_status, b"gzip, gzip"), (execute, b"zstd")],
)
def test_what_was_not_asked_for_is_not_unpacked(
    flood: Start, ask: Callable[[str], object], encoding: bytes
) -> None:
    server = flood(PLAIN + b"Content-Encoding: " + encoding + b"\r\nContent-Length: 2\r\n\r\n{}")
    with pytest.raises((RunpodConnectionError, EmulatorError), match="its Content-Encoding is"):
        ask(server.url)


@pytest.mark.parametrize(
    "ask", [ask_for_status, execute, list_workers, follow_logs, list_endpoints]
)
def test_headers_without_an_end(flood: Start, ask: Callable[[str], object]) -> None:
    server = flood(b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n" * 1000)
    with pytest.raises(RunpodConnectionError):
        ask(server.url)
    assert server.sent < SLACK


@pytest.mark.parametrize("ask", [ask_for_status, execute])
def test_interim_responses_without_an_end(flood: Start, ask: Callable[[str], object]) -> None:
    server = flood(b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 1000)
    with pytest.raises(RunpodConnectionError, match="goes on announcing"):
        ask(server.url)
    assert server.sent < SLACK


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


@pytest.mark.parametrize("piece", [b"x" * 0x10000, b"data: x\n" * 0x2000, b"data:\n" * 0x2000])
def test_a_stream_of_logs_whose_event_has_no_end(flood: Start, piece: bytes) -> None:
    server = flood(STREAM + b"\r\n", piece)
    with pytest.raises(RunpodConnectionError, match=r"has an? (line|event) without end"):
        follow_logs(server.url)
    assert server.sent < BODY_LIMIT


def test_a_stream_of_logs_that_is_packed(flood: Start) -> None:
    server = flood(STREAM + b"Content-Encoding: gzip\r\n\r\n", packed("gzip"))
    with pytest.raises(RunpodConnectionError, match="which was not asked for"):
        follow_logs(server.url)


def test_an_error_of_a_stream_of_logs(flood: Start) -> None:
    server = flood(b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n", CHUNK)
    with pytest.raises(RunpodConnectionError, match="more than 64 MB"):
        follow_logs(server.url)


@pytest.mark.parametrize("data", ["[" * 100_000, '{"line": ' * 100_000])
def test_a_log_line_that_is_nested_too_deeply_is_no_line(flood: Start, data: str) -> None:
    event = f"data: {data}\n\n".encode()
    server = flood(STREAM + b"Content-Length: %d\r\n\r\n" % len(event) + event)
    (entry,) = json.loads(json.dumps([each.line for each in follow_logs(server.url)]))  # type: ignore[attr-defined]
    assert entry == ""


def test_a_webhooks_receiver_is_not_listened_to(flood: Start) -> None:
    """Its status counts; what else it says may have no end."""
    server = flood(PLAIN + b"Transfer-Encoding: chunked\r\n\r\n", CHUNK)

    async def deliver() -> None:
        webhooks = Webhooks("loopback", delay=0.0)
        webhooks.deliver(server.url, "job", b"{}")
        while not server.ended:  # noqa: ASYNC110 - another thread's
            await asyncio.sleep(0.01)  # The interval of a wait that has a deadline.
        await asyncio.sleep(0)
        await webhooks.close()

    asyncio.run(asyncio.wait_for(deliver(), 30))
    assert server.sent < SLACK
    assert server.ended == 1  # It is not tried again.


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n" * 1000),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 70000000000\r\n\r\n", b" " * 0x10000),
    ],
    ids=["head", "body"],
)
def test_a_worker_holds_no_endless_response_of_its_platform(
    flood: Start, head: bytes, piece: bytes
) -> None:
    server = flood(head, piece)
    connection = WorkerConnection(timeout=20)
    with pytest.raises(TransportError):
        connection.send("GET", f"{server.url}/", {})
    connection.close()
    assert server.sent < SLACK


def test_through_a_proxy_as_well(flood: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is between us and Runpod is the likeliest to answer so."""
    server = flood(PLAIN + b"Transfer-Encoding: chunked\r\n\r\n", CHUNK)
    monkeypatch.setenv("HTTP_PROXY", server.url)
    for variable in ("NO_PROXY", "no_proxy", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    for ask in (ask_for_status, list_endpoints, list_workers):
        with pytest.raises(RunpodConnectionError, match="more than 64 MB, which no"):
            ask("http://runpod.invalid")


def test_pieces_of_two_bytes_cost_no_more_than_others() -> None:
    tracemalloc.start()
    try:
        body = LimitedBody(())
        for _ in range(200_000):
            body.add(b"%d" % 10)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert body.whole() == b"10" * 200_000
    assert peak < 4_000_000


@pytest.mark.parametrize("pieces", [1, 7, 100])
@pytest.mark.parametrize("encoding", ["", "identity", "gzip", "GZIP", "x-gzip", "deflate", "raw"])
def test_what_is_packed_is_read_however_it_is_cut(encoding: str, pieces: int) -> None:
    text = json.dumps({"name": "value" * 1000}).encode()
    kind = {"raw": -15, "deflate": 15}.get(encoding, 31)
    packer = zlib.compressobj(wbits=kind)
    sent = packer.compress(text) + packer.flush()
    if encoding in ("", "identity"):
        sent = text
    named = b"deflate" if encoding == "raw" else encoding.encode()
    body = LimitedBody([(b"Content-Encoding", named)] if encoding else [])
    step = -(-len(sent) // pieces)
    for at in range(0, len(sent), step):
        body.add(sent[at : at + step])
    assert body.whole() == text


def test_what_cannot_be_unpacked_is_named() -> None:
    body = LimitedBody([(b"content-encoding", b"gzip")])
    with pytest.raises(DecodingError, match="cannot be unpacked"):
        body.add(b"this is not gzip")


def test_as_much_as_is_allowed_is_read() -> None:
    body = LimitedBody([(b"content-encoding", b"gzip")], limit=1000)
    body.add(gzip.compress(b"x" * 1000))
    assert body.whole() == b"x" * 1000
    with pytest.raises(OversizedError, match=r"more than 0\.001 MB when it is unpacked"):
        LimitedBody([(b"content-encoding", b"gzip")], limit=1000).add(gzip.compress(b"x" * 1001))
