"""Requests whose line and headers are long, or never end."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest

from pytest_flash.emulator.server.header_limit import HEAD_LIMIT
from tests.emulator.harness import Emulator

START = b"GET /queue/v2/absent/health HTTP/1.1\r\nHost: localhost\r\n"
PIECE = 100_000


@pytest.fixture
def wire(emulator: Emulator) -> socket.socket:
    """A connection to the emulator."""
    parts = urlsplit(emulator.origin)
    return socket.create_connection((parts.hostname, parts.port), timeout=10)


def sent_until_refused(wire: socket.socket, start: bytes, piece: bytes) -> int:
    """Send ``start``, and ``piece`` after it until the connection ends; the bytes sent."""
    size = len(start)
    try:
        wire.sendall(start)
        while size < 1000 * HEAD_LIMIT:
            wire.sendall(piece)
            size += len(piece)
    except ConnectionError:
        return size
    raise AssertionError(f"{size} bytes of head were taken")


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (START + b"X: ", b"a" * PIECE),
        (START, b"X: a\r\n" * (PIECE // 6)),
        (START + b"X", b"a" * PIECE),
    ],
    ids=["one value", "many headers", "one name"],
)
def test_a_head_without_an_end_ends_the_connection(
    emulator: Emulator, wire: socket.socket, start: bytes, piece: bytes
) -> None:
    with wire:
        # What the system's buffers hold was sent, but not taken.
        assert sent_until_refused(wire, start, piece) < 20 * HEAD_LIMIT
    assert emulator.management.get("/v2/serverless").status_code == 200


def test_a_long_head_is_served_and_counts_for_one_request_only(wire: socket.socket) -> None:
    long = START + b"X: " + b"a" * (HEAD_LIMIT // 2) + b"\r\n\r\n"
    with wire:
        for _ in range(4):
            wire.sendall(long)
            answer = b""
            while not answer.endswith(b"}"):  # head and body may come apart
                piece = wire.recv(1 << 16)
                assert piece, answer
                answer += piece
            assert answer.startswith(b"HTTP/1.1 401")
