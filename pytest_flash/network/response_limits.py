"""How much of a response is read: what a server, or a proxy on the way, sends may have no end."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence

import anyio
import httpx

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
_KINDS = {b"gzip": _GZIP, b"x-gzip": _GZIP, b"deflate": _WINDOW}
_IDENTITY = (b"", b"identity")
# Headers that describe how the content was carried, not what it is.
_CARRIAGE = (b"content-encoding", b"content-length", b"transfer-encoding")

RawHeaders = Sequence[tuple[bytes, bytes]]


class OversizedError(httpx.RequestError):
    """A response is longer than any of Runpod's, or would be when unpacked. It is not read."""


class LimitedBody:
    """The body of a response with these headers, unpacked as it comes in, up to ``limit`` bytes.

    Raises OversizedError for a longer one, and httpx.DecodingError for what cannot be unpacked.
    """

    def __init__(self, headers: RawHeaders, limit: int = BODY_LIMIT) -> None:
        self._limit = limit
        # Not a list of the pieces, each of which may be a single byte and costs fifty.
        self._content = bytearray()
        encoding = _value(headers, b"content-encoding").lower()
        if encoding not in _IDENTITY and encoding not in _KINDS:
            raise httpx.DecodingError(f"its Content-Encoding is {encoding!r}, not {ENCODINGS}")
        self._unpacker = None if encoding in _IDENTITY else _Unpacker(_KINDS[encoding])
        length = _value(headers, b"content-length")
        if length.isdigit() and len(length) < 20 and int(length) > limit:
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


def read_response(response: httpx.Response, body: LimitedBody) -> httpx.Response:
    """``response`` with the whole of ``body`` read."""
    made = with_body(response.status_code, response.headers.raw, body.whole())
    made.request = response.request
    return made


def with_body(status: int, headers: RawHeaders, content: bytes) -> httpx.Response:
    """A response with unpacked content; httpx would unpack what says that it is packed."""
    kept = [(name, value) for name, value in headers if name.lower() not in _CARRIAGE]
    return httpx.Response(status, headers=kept, content=content)


@contextlib.contextmanager
def naming(request: httpx.Request) -> Iterator[None]:
    """Have errors of the block say which request they ended."""
    try:
        yield
    except httpx.RequestError as error:
        error.request = request
        raise


async def aread(response: httpx.Response) -> httpx.Response:
    """``response``, whose body is not read yet, with the whole of it."""
    with naming(response.request):
        body = LimitedBody(response.headers.raw)
        async for part in response.aiter_raw():
            body.add(part)
    return read_response(response, body)


async def ask(client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    """Send a request and read the whole response. Raises httpx.RequestError."""
    async with begun(client, request) as response:
        with _in_time(request):
            return await aread(response)


@contextlib.asynccontextmanager
async def begun(client: httpx.AsyncClient, request: httpx.Request) -> AsyncIterator[httpx.Response]:
    """The response to ``request``, its body to be read. Raises httpx.RequestError."""
    with _in_time(request):
        response = await client.send(request, stream=True)
    try:
        yield response
    finally:
        await response.aclose()


@contextlib.contextmanager
def _in_time(request: httpx.Request) -> Iterator[None]:
    """End what trickles in: each byte comes in time, and none is the last."""
    patience = request.extensions.get("timeout", {}).get("read") or 0.0
    seconds = patience + WHOLE_LIMIT
    try:
        with anyio.fail_after(seconds):
            yield
    except TimeoutError as error:
        text = f"it was not complete in {seconds:g} s"
        raise httpx.ReadTimeout(text, request=request) from error


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
                raise httpx.DecodingError(f"its content cannot be unpacked: {error}") from error
        # RFC 9110, 8.4.1.2: some servers send 'deflate' without zlib's frame.
        self._stream, self._header = zlib.decompressobj(-_WINDOW), None
        return self.unpack(header + data, room)


def _value(headers: RawHeaders, wanted: bytes) -> bytes:
    values = (value for name, value in headers if name.lower() == wanted)
    return b", ".join(each.strip() for each in values)
