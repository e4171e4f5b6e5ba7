"""How much of a response is read: what a server, or a proxy on the way, sends may have no end."""

from __future__ import annotations

import zlib

from .errors import DecodingError, OversizedError
from .messages import Headers, value_of

# Twice the largest that Runpod documents: 30 MB from a load balancer (load-balancing/overview), 20
# MB of a job's result (send-requests).
BODY_LIMIT = 64_000_000
# The seconds in which a response must be complete once it has begun.
WHOLE_LIMIT = 600.0

ENCODINGS = "gzip, deflate"
"""What we read, for ``Accept-Encoding``."""

# RFC 1950 and RFC 1952, as zlib names them.
_WINDOW, _GZIP = zlib.MAX_WBITS, 16 + zlib.MAX_WBITS
_HEADER = 2
_KINDS = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _WINDOW}
_IDENTITY = ("", "identity")


class LimitedBody:
    """The body of a response with these headers, unpacked as it comes in, up to ``limit`` bytes.

    Raises OversizedError for a longer one, and DecodingError for what cannot be unpacked.
    """

    def __init__(self, headers: Headers, limit: int = BODY_LIMIT) -> None:
        self._limit = limit
        # Not a list of the pieces, each of which may be a single byte and costs fifty.
        self._content = bytearray()
        encoding = value_of(headers, b"content-encoding").lower()
        if encoding not in _IDENTITY and encoding not in _KINDS:
            raise DecodingError(f"its Content-Encoding is {encoding!r}, not {ENCODINGS}")
        self._unpacker = None if encoding in _IDENTITY else _Unpacker(_KINDS[encoding])
        length = value_of(headers, b"content-length")
        if length.isascii() and length.isdigit() and len(length) < 20 and int(length) > limit:
            raise self._too_long()

    def add(self, data: bytes) -> None:
        """Take in a piece as it was sent."""
        if self._unpacker is not None:
            data = self._unpacker.unpack(data, self._limit - len(self._content) + 1)
        if len(self._content) + len(data) > self._limit:
            raise self._too_long()
        self._content += data

    def whole(self) -> bytes:
        """All of it, once the last piece was added."""
        return bytes(self._content)

    def _too_long(self) -> OversizedError:
        packed = " when it is unpacked" if self._unpacker is not None else ""
        return OversizedError(
            f"the response has more than {self._limit / 1e6:g} MB{packed}, which no response of "
            "Runpod's has; see what answers there, such as a proxy"
        )


class _Unpacker:
    def __init__(self, kind: int) -> None:
        self._stream = zlib.decompressobj(kind)
        # What may turn out to be no header, of which zlib's has two bytes.
        self._header: bytes | None = b"" if kind == _WINDOW else None

    def unpack(self, data: bytes, room: int) -> bytes:
        """What ``data`` unpacks to, at most ``room`` bytes: zlib makes no more than that."""
        if self._stream.eof or not data:
            return b""  # What follows the end is no part of it.
        header = self._header
        if header is not None:
            self._header = header + data if len(header + data) < _HEADER else None
        try:
            return self._stream.decompress(data, room)
        except zlib.error as error:
            if header is None:
                raise DecodingError(f"its content cannot be unpacked: {error}") from error
        # RFC 9110, 8.4.1.2: some servers send 'deflate' without zlib's frame.
        self._stream, self._header = zlib.decompressobj(-_WINDOW), None
        return self.unpack(header + data, room)
