"""Answers as they come over the wire: whole, in order, also when the connection ends with them."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest

from tests.emulator.harness import KEY, Emulator


@pytest.fixture
def wire(emulator: Emulator) -> socket.socket:
    """A connection to the emulator."""
    parts = urlsplit(emulator.origin)
    return socket.create_connection((parts.hostname, parts.port), timeout=10)


def request(path: str, *headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {KEY}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def until_closed(wire: socket.socket) -> bytes:
    answer = b""
    while chunk := wire.recv(1 << 20):
        answer += chunk
    return answer


def test_requests_that_come_at_once_are_answered_in_order(wire: socket.socket) -> None:
    with wire:
        last = request("/queue/v2/absent/health", "Connection: close")
        wire.sendall(request("/api/v2/serverless") * 3 + request("/nothing") + last)
        answers = until_closed(wire).split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200", b"200", b"200", b"404", b"404"]
    assert answers[0].endswith(b'{"endpoints":[]}')
    assert b"absent" in answers[-1]


def test_a_long_answer_is_whole_when_the_connection_ends_with_it(
    emulator: Emulator, wire: socket.socket
) -> None:
    endpoint = emulator.create()
    job = emulator.run(endpoint, do="big", size=5_000_000)
    emulator.ended(endpoint, job)
    with wire:
        wire.sendall(request(f"/queue/v2/{endpoint}/status/{job}", "Connection: close"))
        head, _, body = until_closed(wire).partition(b"\r\n\r\n")
    assert int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]) == len(body)
    assert body.count(b"x") >= 5_000_000


def test_what_is_not_a_request_is_refused_before_the_connection_ends(wire: socket.socket) -> None:
    with wire:
        wire.sendall(b"THIS IS NO HTTP\r\n\r\n")
        assert until_closed(wire).startswith(b"HTTP/1.1 400 ")


def test_a_client_that_disconnects_early_affects_no_other(
    emulator: Emulator, wire: socket.socket
) -> None:
    endpoint = emulator.create()
    job = emulator.run(endpoint, do="big", size=5_000_000)
    emulator.ended(endpoint, job)
    with wire:
        wire.sendall(request(f"/queue/v2/{endpoint}/status/{job}") * 3)
        assert wire.recv(10)
    assert emulator.status(endpoint, job)["status"] == "COMPLETED"
