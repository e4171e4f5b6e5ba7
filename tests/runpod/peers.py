"""A server of bytes: it says what a test wants, and keeps what it was told."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pytest_flash.http.messages import Request, Response, Timeouts
from pytest_flash.http.pool import AsyncClient

CERTIFICATE = Path(__file__).parent / "localhost.pem"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(eq=False)
class Peer:
    """One connection as the server sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def request(self) -> bytes:
        """The body of the next request; asyncio.IncompleteReadError at the end."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        length = head.partition(b"content-length:")[2].split(b"\r\n")[0]
        return await self.reader.readexactly(int(length or b"0"))

    async def answer(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()


Handler = Callable[[Peer], Awaitable[None]]


@dataclass
class Server:
    """Serves every connection with ``handler`` and remembers what came."""

    url: str
    peers: list[Peer] = field(default_factory=list)


@asynccontextmanager
async def serving(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server("")

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        server.peers.append(peer)
        try:
            await handler(peer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # The client is gone.
        finally:
            writer.close()
            peer.gone.set()

    listener = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context, limit=1 << 25)
    scheme = "https://localhost" if context else "http://127.0.0.1"
    server.url = f"{scheme}:{listener.sockets[0].getsockname()[1]}"
    yield server
    listener.close()


@dataclass(frozen=True)
class Asking:
    """A client, with the shorthand of tests."""

    client: AsyncClient

    async def post(self, url: str, *, content: str | bytes, timeout: float = 5) -> Response:
        body = content.encode() if isinstance(content, str) else content
        request = Request.to("POST", url, (), body)
        return await self.client.send(request, Timeouts(timeout, timeout))

    async def get(self, url: str, *, timeout: float = 5) -> Response:
        return await self.client.send(Request.to("GET", url), Timeouts(timeout, timeout))


@asynccontextmanager
async def asking(
    context: ssl.SSLContext | None = None, client: AsyncClient | None = None
) -> AsyncIterator[Asking]:
    made = client or AsyncClient(context)
    yield Asking(made)
    await made.aclose()


async def echo(peer: Peer) -> None:
    while True:
        body = await peer.request()
        await peer.answer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def says(raw: bytes) -> Handler:
    """Answer the first request of each connection so, and end the connection."""

    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.answer(raw)

    return handler


def run(handler: Handler, ask: Callable[[Asking, Server], Awaitable[None]]) -> Server:
    """Ask a server on a loop of its own."""

    async def main() -> Server:
        async with serving(handler) as server, asking() as client:
            await asyncio.wait_for(ask(client, server), 20)
            return server

    return asyncio.run(main())
