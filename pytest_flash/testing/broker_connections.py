"""Connections between a run's processes: on loopback, and only with whoever knows the run's key."""

from __future__ import annotations

import contextlib
import errno
import hmac
import os
import socket
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait

from ..clock import monotonic
from ..http.unmocked_sockets import loopback_socket

_HOST = "127.0.0.1"
_BACKLOG = 1024
# Seconds that both sides may take to prove themselves, and how many connections may be at it at
# once. Of more the oldest is closed: one of ours needs milliseconds, and tries again.
_HANDSHAKE = 10.0
_MOST = 128
# After a failure to accept for want of descriptors or memory.
_PAUSE = 0.1
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

_NONCE = 32
_DIGEST = "sha256"
_PROOF = 32


class StrangerError(OSError):
    """The other side of a connection does not know the key."""


class Listener:
    """Calls ``serve``, in a thread of its own, with each connection that knows ``key``.

    ``serve`` gets a connection that is closed when it returns; it may raise OSError and EOFError.
    Connections that say nothing hold up nobody: each has a thread, and a deadline.
    """

    def __init__(self, key: bytes, serve: Callable[[Connection], None]) -> None:
        self._key = key
        self._serve = serve
        self._socket = socket.create_server((_HOST, 0), backlog=_BACKLOG)
        self.port: int = self._socket.getsockname()[1]
        self._woken, self._wake = socket.socketpair()
        self._lock = threading.Lock()
        self._unproven: list[socket.socket] = []
        _start(self._run)

    def close(self) -> None:
        """Take no more connections. Those that there are go on."""
        # Not by closing it: a child of this process may hold it too.
        with contextlib.suppress(OSError):
            self._wake.send(b"close")

    def _run(self) -> None:
        with self._socket, self._woken, self._wake:
            while True:
                if self._woken in wait([self._socket, self._woken]):
                    return
                try:
                    self._accept()
                except OSError as error:  # Else its client has gone.
                    if error.errno in _EXHAUSTED:
                        time.sleep(_PAUSE)

    def _accept(self) -> None:
        taken, _ = self._socket.accept()
        with self._lock:
            self._unproven.append(taken)
            if len(self._unproven) > _MOST:
                # Its thread, which closes it, reads the end.
                with contextlib.suppress(OSError):
                    self._unproven.pop(0).shutdown(socket.SHUT_RDWR)
        try:
            _start(self._admit, taken)
        except RuntimeError:  # There are too many threads.
            self._forget(taken)
            taken.close()

    def _admit(self, taken: socket.socket) -> None:
        # The other process may end at any moment, in the middle of a message too.
        with contextlib.suppress(OSError, EOFError):
            with taken:
                try:
                    _admit(taken, self._key)
                finally:
                    self._forget(taken)
                connection = Connection(taken.detach())
            with connection:
                self._serve(connection)

    def _forget(self, taken: socket.socket) -> None:
        with self._lock, contextlib.suppress(ValueError):
            self._unproven.remove(taken)


def connect(port: int, key: bytes, timeout: float = 3 * _HANDSHAKE) -> Connection:
    """A connection to the listener at ``port``, once both sides have proven that they know ``key``.

    Tried again for ``timeout`` seconds where the listener is there and has no time. Raises OSError
    and EOFError.
    """
    deadline = monotonic() + timeout
    while True:
        try:
            with loopback_socket(_HOST) as made:
                made.settimeout(_HANDSHAKE)
                made.connect((_HOST, port))
                _introduce(made, key)
                return Connection(made.detach())
        except (ConnectionRefusedError, StrangerError):
            raise
        except (OSError, EOFError):
            if monotonic() > deadline:
                raise
            time.sleep(_PAUSE)


# Each side sends something random, and proves the key on what both have sent: neither learns the
# key, nor anything that is of use a second time.


def _admit(connection: socket.socket, key: bytes) -> None:
    """The listener's side. Raises StrangerError, OSError, EOFError."""
    deadline = monotonic() + _HANDSHAKE
    ours = os.urandom(_NONCE)
    connection.settimeout(_HANDSHAKE)
    connection.sendall(ours)
    theirs, proof = _read(connection, _NONCE, deadline), _read(connection, _PROOF, deadline)
    try:
        _check(proof, _proof(key, b"client", ours + theirs))
    except StrangerError:
        connection.sendall(bytes(_PROOF))  # So that a client of another run need not try again.
        raise
    connection.sendall(_proof(key, b"server", ours + theirs))
    connection.settimeout(None)


def _introduce(connection: socket.socket, key: bytes) -> None:
    """The client's side. Raises StrangerError, OSError, EOFError."""
    deadline = monotonic() + _HANDSHAKE
    theirs, ours = _read(connection, _NONCE, deadline), os.urandom(_NONCE)
    connection.sendall(ours + _proof(key, b"client", theirs + ours))
    _check(_read(connection, _PROOF, deadline), _proof(key, b"server", theirs + ours))
    connection.settimeout(None)


def _proof(key: bytes, side: bytes, nonces: bytes) -> bytes:
    return hmac.digest(key, side + nonces, _DIGEST)


def _check(given: bytes, expected: bytes) -> None:
    if not hmac.compare_digest(given, expected):
        raise StrangerError("the other side does not know the run's key")


def _read(connection: socket.socket, length: int, deadline: float) -> bytes:
    """So many bytes. Raises EOFError, and OSError once ``deadline`` is over."""
    data = b""
    while len(data) < length:
        connection.settimeout(max(deadline - monotonic(), 0.001))
        piece = connection.recv(length - len(data))
        if not piece:
            raise EOFError("the other side has closed the connection")
        data += piece
    return data


def _start(target: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=target, args=arguments, name="flash-broker", daemon=True).start()
