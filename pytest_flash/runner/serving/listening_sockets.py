"""Listening sockets and their addresses."""

from __future__ import annotations

import contextlib
import errno
import socket
from ipaddress import ip_address

from ...errors import PortTakenError, ServerError

_PORTS_TO_TRY = 20
_WHICH = "name an address of this machine with --host"


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket on ``host``; port 0 takes a free one.

    Raises ServerError naming host and port when it cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, OverflowError, UnicodeError) as error:
        raise ServerError(f"cannot listen on {host}:{port}: {error}; {_WHICH}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(
                f"port {port} on {host} is taken by another process; choose one with --port"
            ) from error
        if error.errno == errno.EACCES:
            raise ServerError(
                f"port {port} needs privileges that this user has not; choose one from 1024 up "
                "with --port"
            ) from error
        raise ServerError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; {_WHICH}"
        ) from error
    return listener


def listen_at_next_free_port(host: str, port: int) -> socket.socket:
    """A listening TCP socket on ``port``, or on the next free one of the twenty from it on.

    Raises as ``listen`` does.
    """
    for each in range(port, port + _PORTS_TO_TRY):
        with contextlib.suppress(PortTakenError):
            return listen(host, each)
    return listen(host, port)


def url_of(listener: socket.socket, host: str | None = None) -> str:
    """``http://host:port`` of a listening socket; ``host`` is how people call the address."""
    address, port = listener.getsockname()[:2]
    name = host or address
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def is_loopback(listener: socket.socket) -> bool:
    """Whether only this machine can reach a listening socket."""
    return ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback
