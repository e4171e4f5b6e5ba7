"""Listening sockets, as Linux lists them (proc_pid_net(5))."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LISTENS = "0A"
_LOOPBACK = ("0100007F", f"{1 << 24:032X}")


@dataclass(frozen=True)
class Listener:
    """A TCP socket that listens; ``inode`` is its own for as long as the system runs."""

    port: int
    inode: str
    is_loopback: bool


def listeners() -> Iterator[Listener]:
    """Every TCP socket of this machine that listens."""
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            address, port = fields[1].split(":")
            if fields[3] == _LISTENS:
                yield Listener(int(port, 16), fields[9], address in _LOOPBACK)
