"""A load generator that does as little as possible: requests ready as bytes, answers split off."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length:"


@dataclass(frozen=True)
class Address:
    """Where requests go, and what each of them carries."""

    host: str
    port: int
    path: str
    authorization: str

    @classmethod
    def of(cls, url: str, authorization: str) -> Address:
        """The address of ``url`` (``http://host:port/path?query``)."""
        parts = urlsplit(url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        return cls(parts.hostname or "", parts.port or 80, path, authorization)

    def post(self, body: bytes) -> bytes:
        """A whole request."""
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
            f"Authorization: {self.authorization}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


class RawConnection(asyncio.Protocol):
    """One keep-alive connection; answers must have a content length."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[bytes] | None = None
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not of that class

    def connection_lost(self, error: Exception | None) -> None:
        """asyncio's."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionError("the server closed"))

    def data_received(self, data: bytes) -> None:
        """asyncio's."""
        self._received += data
        head = self._received.find(_END_OF_HEAD)
        if head < 0:
            return
        start = self._received.lower().index(_LENGTH, 0, head) + len(_LENGTH)
        length = int(self._received[start : self._received.index(b"\r", start)])
        end = head + len(_END_OF_HEAD) + length
        if len(self._received) >= end and self._answer is not None:
            answer = bytes(self._received[:end])
            del self._received[:end]
            self._answer.set_result(answer)

    async def ask(self, request: bytes) -> bytes:
        """Send a request and return the body of its answer; raises for any other than 200."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        head, _, body = (await self._answer).partition(_END_OF_HEAD)
        if not head.startswith(b"HTTP/1.1 200"):
            raise ValueError(f"{head!r} {body!r}")
        return body

    def close(self) -> None:
        """Close the connection."""
        assert self._transport is not None
        self._transport.close()


@asynccontextmanager
async def connected(address: Address) -> AsyncIterator[RawConnection]:
    """One connection."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(RawConnection, address.host, address.port)
    try:
        yield connection
    finally:
        connection.close()


async def load(
    address: Address, bodies: Iterator[bytes], at_once: int, check: Callable[[bytes], None]
) -> list[float]:
    """Post every body, ``at_once`` at a time; the seconds that each took. Checks each answer."""
    took: list[float] = []

    async def one() -> None:
        async with connected(address) as connection:
            for body in bodies:
                began = time.perf_counter()
                check(await connection.ask(address.post(body)))
                took.append(time.perf_counter() - began)

    await asyncio.gather(*(one() for _ in range(at_once)))
    return took
