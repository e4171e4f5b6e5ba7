"""Requests that go on while a test does something else."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


@contextmanager
def asking(url: str) -> Iterator[socket.socket]:
    """A connection on which ``url`` has been asked for, and nothing read."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
        head = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n"
        connection.sendall(f"{head}\r\n".encode())
        yield connection


def answered(connection: socket.socket) -> bytes:
    """Everything that comes on ``connection`` until its end."""
    answer = b""
    while chunk := connection.recv(65536):
        answer += chunk
    return answer
