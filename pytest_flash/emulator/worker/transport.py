"""One keep-alive HTTP connection for threads beside the event loop, which user code can block."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

# What a keep-alive connection raises when the server closed it between two requests.
_STALE = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)


class TransportError(Exception):
    """No complete answer arrived."""


@dataclass(frozen=True)
class Reply:
    """Status and body of one answer."""

    status: int
    body: bytes


class Connection:
    """Sends one request at a time; connects when needed and again after the server closed.

    ``timeout``: seconds without a byte from the server before a request fails.
    """

    def __init__(self, *, timeout: float) -> None:
        self._timeout = timeout
        self._netloc = ""
        self._connection: http.client.HTTPConnection | None = None

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Reply:
        """Send a request to an ``http`` address and read the whole answer.

        Raises TransportError when it is refused, reset, timed out or not HTTP.
        """
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        if parts.netloc != self._netloc:
            self.close()
            self._netloc = parts.netloc
        try:
            if self._connection is not None:
                try:
                    return self._exchange(method, target, headers, body)
                except _STALE:
                    self.close()
            return self._exchange(method, target, headers, body)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise TransportError(f"{method} {url}: {type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None
    ) -> Reply:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._netloc, timeout=self._timeout)
        self._connection.request(method, target, body=body, headers=dict(headers))
        response = self._connection.getresponse()
        return Reply(response.status, response.read())
