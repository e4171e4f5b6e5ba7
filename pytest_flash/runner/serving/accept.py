"""Taking connections from the listening socket, in a way that can be stopped without loss.

``asyncio.Server.close`` loses a connection that is being accepted, and uvloop's accepts ahead.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
from collections.abc import Callable

from ...http.unmocked_sockets import accepted
from .connection_handover import take

_AT_ONCE = 64
_PAUSE = 0.5
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

ProtocolFactory = Callable[[bytes], asyncio.Protocol]


class Acceptor:
    """Makes a protocol for each connection of ``listener`` and of ``parked``.

    The factory gets what was already received on a connection.
    """

    def __init__(
        self, listener: socket.socket, parked: socket.socket | None, factory: ProtocolFactory
    ) -> None:
        self._listener = listener
        self._parked = parked
        self._factory = factory
        self._closed = False
        self._lock = threading.Lock()
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Begin."""
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener.fileno(), self._accept)
        if self._parked is not None:
            self._loop.add_reader(self._parked.fileno(), self._adopt)

    def close(self) -> None:
        """Take nothing from now on. From any thread, also while the event loop is blocked."""
        with self._lock:
            self._closed = True

    async def drain(self) -> None:
        """Return when each connection that was taken has its protocol; after ``close``."""
        self._loop.remove_reader(self._listener.fileno())
        if self._parked is not None:
            self._loop.remove_reader(self._parked.fileno())
        if self._opening:
            await asyncio.wait(self._opening)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            with self._lock:
                if self._closed:
                    return
                try:
                    connection = accepted(self._listener)
                except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                    return
                except OSError as error:
                    if error.errno not in _EXHAUSTED:
                        raise
                    self._pause()
                    return
            self._start(connection, b"")

    def _adopt(self) -> None:
        assert self._parked is not None
        for _ in range(_AT_ONCE):
            with self._lock:
                if self._closed:
                    return
                found = take(self._parked)
            if found is None:
                return
            self._start(*found)

    def _start(self, connection: socket.socket, received: bytes) -> None:
        opening = self._loop.create_task(self._connect(connection, received))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    async def _connect(self, connection: socket.socket, received: bytes) -> None:
        connection.setblocking(False)
        try:
            with contextlib.suppress(OSError):  # Not every family has it.
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(lambda: self._factory(received), connection)
        except OSError:
            connection.close()  # Its client has gone.

    def _pause(self) -> None:
        """Too many files are open: leave the next ones in the system's queue for a while."""
        self._loop.remove_reader(self._listener.fileno())
        self._loop.call_later(_PAUSE, self._resume)

    def _resume(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._listener.fileno(), self._accept)
