"""HTTP as a worker speaks it: with the emulator alone, whose answers have a Content-Length or no
body. ``http.client`` would be a sixth of a worker's start, for its parser of e-mail headers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

_END_OF_HEAD = b"\r\n\r\n"
_BODILESS = (204, 304)

# Of the worker's own: some programs replace json.dumps by one that has other types.
encode_json = json.JSONEncoder().encode
decode_json = json.JSONDecoder().decode
# A job comes in an answer, and is no larger than what Runpod takes: 20 MB (docs, send-requests).
_HEAD_LIMIT, _BODY_LIMIT = 65_536, 64_000_000


class TransportError(Exception):
    """No complete answer arrived."""


class ServerClosedError(ConnectionError):
    """The server closed the connection before it answered anything."""


@dataclass(frozen=True)
class Reply:
    """Status and body of one answer."""

    status: int
    body: bytes


def request(
    method: str, url: str, headers: Mapping[str, str], body: bytes = b""
) -> tuple[str, bytes]:
    """Where a request to an ``http`` address goes, as ``host:port``, and the whole of it."""
    netloc, slash, target = url.partition("://")[2].partition("/")
    lines = [f"{method} {slash}{target} HTTP/1.1", f"Host: {netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return netloc, "\r\n".join(lines).encode("latin-1") + _END_OF_HEAD + body


def address(netloc: str) -> tuple[str, int]:
    """Host and port of ``host:port``. Raises ValueError."""
    host, _, port = netloc.rpartition(":")
    return host.strip("[]"), int(port)


class IncomingResponse:
    """An answer as it comes in."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._end_of_head = 0
        self._status = 0
        self._length = 0

    @property
    def begun(self) -> bool:
        """Whether any of it has arrived."""
        return bool(self._received)

    def add(self, data: bytes | memoryview) -> Reply | None:
        """Take in a piece; the answer, once it is complete.

        Raises ValueError for what an emulator does not say.
        """
        self._received += data
        if not self._end_of_head:
            end = self._received.find(_END_OF_HEAD)
            if end < 0:
                if len(self._received) > _HEAD_LIMIT:
                    raise ValueError("an answer whose head has no end")
                return None
            self._end_of_head = end + len(_END_OF_HEAD)
            self._status, self._length = _parse(bytes(self._received[:end]))
            if self._length > _BODY_LIMIT:
                raise ValueError(f"an answer of {self._length} bytes")
        whole = self._end_of_head + self._length
        if len(self._received) < whole:
            return None
        if len(self._received) > whole:
            raise ValueError("something follows the answer")
        return Reply(self._status, bytes(self._received[self._end_of_head :]))


def _parse(head: bytes) -> tuple[int, int]:
    """Status, and length of the body."""
    status = int(head[9:12])
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
        elif name.lower() == b"transfer-encoding":
            raise ValueError("an answer without a Content-Length")
    return status, 0 if status in _BODILESS else length
