"""Handing open connections from one serving process to the next.

An idle keep-alive connection is its descriptor and nothing more, so it is sent through a socket
pair that outlives both processes. Whoever serves next takes it out as it takes new connections
from the listening socket: no client sees that the code was replaced.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from dataclasses import dataclass

# Both keep messages apart; a packet socket also waits where a datagram socket may drop.
_KIND = socket.SOCK_SEQPACKET if sys.platform == "linux" else socket.SOCK_DGRAM
# Ahead of what was read from the connection: an empty packet would read as the end.
_MARK = b"\0"
_LARGEST = 64 * 1024


@dataclass
class HandOver:
    """Where idle connections go, once ``begun``; ``give`` is None where no process follows."""

    give: socket.socket | None = None
    begun: bool = False


def parking_pair() -> tuple[socket.socket, socket.socket]:
    """The end that connections are taken from, and the end they are sent into."""
    take, give = socket.socketpair(socket.AF_UNIX, _KIND)
    for end in (take, give):
        end.setblocking(False)
    return take, give


def park(give: socket.socket, descriptor: int, received: bytes) -> bool:
    """Send a connection, with what was ``received`` on it and not yet used.

    False when that cannot be done now: the other end is behind, or too much was received.
    """
    if len(received) > _LARGEST:
        return False
    try:
        socket.send_fds(give, [_MARK + received], [descriptor])
    except OSError:
        return False
    return True


def take(source: socket.socket) -> tuple[socket.socket, bytes] | None:
    """The next connection that was sent, with what was received on it; None when there is none."""
    try:
        message, descriptors, _, _ = socket.recv_fds(source, _LARGEST + 1, 1)
    except (BlockingIOError, InterruptedError):
        return None
    if not descriptors:
        return None
    connection = socket.socket(fileno=descriptors[0])
    connection.set_inheritable(False)
    connection.setblocking(False)
    return connection, message[len(_MARK) :]


def discard(source: socket.socket) -> None:
    """Close every connection that was sent and not taken."""
    while (found := take(source)) is not None:
        with contextlib.suppress(OSError):
            found[0].close()
