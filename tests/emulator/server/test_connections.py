"""More connections at once than a system's usual limit of open files."""

from __future__ import annotations

import contextlib
import resource
import socket
from urllib.parse import urlsplit

from tests.emulator.harness import KEY, started

_LIMIT, _CONNECTIONS = 256, 400


def test_a_low_limit_of_open_files_is_raised() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (_LIMIT, hard))
        try:
            emulator = stack.enter_context(started())
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        parts = urlsplit(emulator.origin)
        address = parts.hostname, parts.port
        wires = [
            stack.enter_context(socket.create_connection(address, timeout=10))
            for _ in range(_CONNECTIONS)
        ]
        head = f"GET /api/v2/serverless HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}"
        for wire in wires:
            wire.sendall(f"{head}\r\n\r\n".encode())
        assert all(wire.recv(100).startswith(b"HTTP/1.1 200 ") for wire in wires)
