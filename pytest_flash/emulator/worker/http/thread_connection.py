"""One keep-alive HTTP connection for threads beside the event loop, which user code can block."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from ..process.descriptors import socket_up
from .http_text import IncomingResponse, Reply, ServerClosedError, TransportError, address, request

_PIECE = 1 << 16


class ThreadConnection:
    """Sends one request at a time; connects when needed and again after the server closed.

    ``timeout``: seconds without a byte from the server before a request fails.
    """

    def __init__(self, *, timeout: float) -> None:
        self._timeout = timeout
        self._netloc = ""
        self._socket: socket.socket | None = None

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Reply:
        """Send a request to an ``http`` address and read the whole answer.

        Raises TransportError when it is refused, reset, timed out or not what an emulator says.
        """
        netloc, message = request(method, url, headers, body)
        if netloc != self._netloc:
            self.close()
            self._netloc = netloc
        try:
            if self._socket is not None:
                try:
                    return _exchange(self._socket, message)
                except ServerClosedError:
                    self.close()
            made = socket.create_connection(address(netloc), self._timeout)
            self._socket = socket_up(made)
            return _exchange(self._socket, message)
        except (OSError, EOFError, ValueError) as error:
            self.close()
            raise TransportError(f"{method} {url}: {type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _exchange(connection: socket.socket, message: bytes) -> Reply:
    incoming = IncomingResponse()
    try:
        connection.sendall(message)
        while data := connection.recv(_PIECE):
            if reply := incoming.add(data):
                return reply
    except ConnectionError as error:
        if not incoming.begun:
            raise ServerClosedError(str(error)) from error
        raise
    if incoming.begun:
        raise EOFError("the answer broke off")
    raise ServerClosedError("the server closed the connection")
