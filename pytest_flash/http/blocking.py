"""A client for threads: each request on a connection of its caller, idle ones kept for a while."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Final

from ..clock import monotonic
from .connection import readable
from .errors import (
    ConnectError,
    ConnectTimeoutError,
    LostConnectionError,
    ReadTimeoutError,
    RemoteProtocolError,
    WriteTimeoutError,
)
from .messages import Request, Response, Timeouts, Url
from .pool import KEPT
from .protocol import ClientProtocol, Head, Mark, ResponseReader
from .tls import context_for
from .unmocked_sockets import to_loopback

_PIECE: Final = 1 << 16
# The shortest time that a socket may be given.
_SHORTEST: Final = 0.001

_Origin = tuple[str, str, int]


class BlockingConnection:
    """One connection, one exchange at a time. Everything raises TransportErrors.

    ``timeouts.whole`` bounds each exchange from ``limit`` on, however slowly its bytes come.
    """

    def __init__(self, url: Url, context: ssl.SSLContext | None, timeouts: Timeouts) -> None:
        self.limit(timeouts)
        self.protocol = ClientProtocol()
        secure = context_for(url, context)
        try:
            self._socket = _connected(url, secure, self._left(timeouts.connect))
        except TimeoutError as error:
            raise ConnectTimeoutError("timed out: no connection in time") from error
        except OSError as error:
            raise ConnectError(str(error)) from error

    def limit(self, timeouts: Timeouts) -> None:
        """An exchange begins, and may take so long."""
        self._timeouts = timeouts
        self._deadline = None if timeouts.whole is None else monotonic() + timeouts.whole

    def exchange(self, request: Request) -> Response:
        """Send a request and read its whole response."""
        self.write(self.protocol.whole(request))
        reader = ResponseReader(request, self.protocol)
        while (response := reader.read()) is None:
            self.protocol.receive(self.read())
        return response

    def write(self, data: bytes) -> None:
        """Send bytes."""
        left = memoryview(data)
        while left:
            self._socket.settimeout(self._left(self._timeouts.read))
            try:
                left = left[self._socket.send(left[:_PIECE]) :]
            except TimeoutError as error:
                raise WriteTimeoutError("timed out: nothing was taken") from error
            except OSError as error:
                raise LostConnectionError(str(error)) from error

    def read(self) -> bytes:
        """The bytes that came next; nothing at the end."""
        patience = self._left(self._timeouts.read)
        self._socket.settimeout(patience)
        try:
            return self._socket.recv(_PIECE)
        except TimeoutError as error:
            self._left(None)
            raise ReadTimeoutError(f"timed out: nothing came for {patience} s") from error
        except OSError as error:
            raise LostConnectionError(str(error)) from error

    def head(self) -> Head:
        """How the response begins."""
        event = self._next()
        if not isinstance(event, Head):
            raise RemoteProtocolError("the server closed the connection without an answer")
        return event

    def chunks(self) -> Iterator[bytes]:
        """The body, as it is carried."""
        while isinstance(event := self._next(), bytes):
            yield event

    def is_fresh(self) -> bool:
        """Whether a request may be sent: nothing has come since the last answer, no end either."""
        return self.protocol.is_idle and not readable(self._socket.fileno())

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _next(self) -> Head | bytes | Mark:
        while (event := self.protocol.next_event()) is Mark.NEED_DATA:
            self.protocol.receive(self.read())
        return event

    def _left(self, patience: float | None) -> float | None:
        """``patience``, or what the exchange has left. Raises ReadTimeoutError at its end."""
        if self._deadline is None:
            return patience
        left = self._deadline - monotonic()
        if left <= 0:
            raise ReadTimeoutError(f"timed out: it took too long, {self._timeouts.whole:.3g} s")
        return max(_SHORTEST, left if patience is None else min(left, patience))


class Client:
    """Sends requests, each once, on connections that are kept for ``kept`` seconds when idle.

    Safe to share by threads. ``context`` is needed for https.
    """

    def __init__(self, context: ssl.SSLContext | None = None, *, kept: float = KEPT) -> None:
        self._context = context
        self._kept = kept
        self._idle: dict[_Origin, list[tuple[float, BlockingConnection]]] = {}
        self._lock = threading.Lock()
        self._closed = False

    def send(self, request: Request, timeouts: Timeouts) -> Response:
        """Send a request and read the whole response. Raises a TransportError without one."""
        url = request.url
        origin = (url.scheme, url.host, url.port)
        connection = self._idle_one(origin)
        if connection is None:
            connection = BlockingConnection(url, self._context, timeouts)
        else:
            connection.limit(timeouts)
        try:
            response = connection.exchange(request)
        except BaseException:
            connection.close()
            raise
        self._keep(origin, connection)
        return response

    def close(self) -> None:
        """Close the connections that nobody uses, and keep none any more."""
        with self._lock:
            self._closed = True
            kept = [each for idle in self._idle.values() for _, each in idle]
            self._idle.clear()
        for each in kept:
            each.close()

    def _idle_one(self, origin: _Origin) -> BlockingConnection | None:
        while True:
            with self._lock:
                idle = self._idle.get(origin)
                if not idle:
                    return None
                since, connection = idle.pop()
            if monotonic() - since < self._kept and connection.is_fresh():
                return connection
            connection.close()

    def _keep(self, origin: _Origin, connection: BlockingConnection) -> None:
        with self._lock:
            if not self._closed and connection.protocol.is_idle:
                self._idle.setdefault(origin, []).append((monotonic(), connection))
                return
        connection.close()


def _connected(url: Url, context: ssl.SSLContext | None, patience: float | None) -> socket.socket:
    """A connection, made in ``patience`` seconds. Raises OSError."""
    made = to_loopback(url.host)
    known = made is not None
    if made is None:
        made = socket.create_connection((url.host, url.port), patience)
    try:
        if known:
            made.settimeout(patience)
            made.connect((url.host, url.port))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return context.wrap_socket(made, server_hostname=url.host) if context else made
    except BaseException:
        with contextlib.suppress(OSError):
            made.close()
        raise
