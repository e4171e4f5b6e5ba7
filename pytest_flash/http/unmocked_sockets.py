"""Sockets on this machine that no mock stands in for.

httpretty, mocket and others replace ``socket.socket`` itself, and to them the emulator and the app
under test are two hosts more. Other hosts are reached as they have it.
"""

from __future__ import annotations

import socket
from typing import Final

# As it is when this is imported: the beginning of a session.
_Socket: Final = socket.socket
_FAMILIES: Final = {"127.0.0.1": socket.AF_INET, "::1": socket.AF_INET6}


def loopback_socket(host: str) -> socket.socket:
    """A socket to be connected to ``host``, an address of loopback. Raises KeyError for others."""
    return _Socket(_FAMILIES[host], socket.SOCK_STREAM, socket.IPPROTO_TCP)


def to_loopback(host: str) -> socket.socket | None:
    """A socket to be connected to an address of loopback; None for any other host."""
    return loopback_socket(host) if host in _FAMILIES else None


async def connected(host: str, port: int) -> socket.socket | None:
    """As ``to_loopback``, connected, for the event loop of asyncio that runs. Raises OSError."""
    # The process that controls workers of pytest-xdist needs the rest, and no event loop.
    import asyncio

    made = to_loopback(host)
    if made is None:
        return None
    try:
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, (host, port))
    except BaseException:
        made.close()
        raise
    return made


def accepted(listener: socket.socket) -> socket.socket:
    """The next connection of ``listener``. Raises as ``accept``, which makes another socket."""
    descriptor, _ = listener._accept()  # type: ignore[attr-defined]
    return _Socket(listener.family, listener.type, listener.proto, fileno=descriptor)
