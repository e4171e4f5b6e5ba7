"""The worker's connections against servers that answer badly, late or never."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pytest_flash.emulator.worker.http.http_text import Reply, TransportError
from pytest_flash.emulator.worker.http.loop_connection import AsyncConnection
from pytest_flash.emulator.worker.http.thread_connection import ThreadConnection

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
Ask = Callable[[AsyncConnection, str], Awaitable[None]]


def run(answers: list[list[bytes]], ask: Ask, *, timeout: float = 5.0) -> list[bytes]:
    """Serve one list of answers on each connection, then close it; the requests that came."""
    requests: list[bytes] = []
    scripts = iter(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in next(scripts):
            requests.append(await reader.readuntil(b"\r\n\r\n"))
            if not answer:
                await reader.read()
            writer.write(answer)
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a?b=c"
        connection = AsyncConnection(timeout=timeout)
        await asyncio.wait_for(ask(connection, url), 10)
        connection.close()
        server.close()

    asyncio.run(main())
    return requests


async def get(connection: AsyncConnection, url: str) -> Reply:
    return await connection.send("GET", url, {"Authorization": "x"})


def test_answers_come_over_one_connection_until_the_server_closes_it() -> None:
    async def ask(connection: AsyncConnection, url: str) -> None:
        empty = await get(connection, url)
        assert (empty.status, empty.body) == (204, b"")
        for _ in range(4):
            assert (await get(connection, url)).body == b"ok"

    requests = run([[b"HTTP/1.1 204 No Content\r\n\r\n", OK], [OK, OK], [OK]], ask)
    assert len(requests) == 5
    assert requests[0].startswith(b"GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:")


def test_a_server_that_closes_every_connection_is_an_error() -> None:
    async def ask(connection: AsyncConnection, url: str) -> None:
        await get(connection, url)
        with pytest.raises(TransportError, match="ServerClosedError"):
            await get(connection, url)

    run([[OK], []], ask)


broken_answers = pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nno",
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nyes!",
        b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nconte",
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    ],
)


@broken_answers
def test_a_broken_answer_is_an_error_and_nothing_is_sent_again(answer: bytes) -> None:
    async def ask(connection: AsyncConnection, url: str) -> None:
        with pytest.raises(TransportError):
            await get(connection, url)

    assert len(run([[answer]], ask)) == 1


def test_an_answer_that_is_too_late_is_an_error_and_nothing_is_sent_again() -> None:
    async def ask(connection: AsyncConnection, url: str) -> None:
        await get(connection, url)
        with pytest.raises(TransportError, match=r"no answer within 0\.1 s"):
            await get(connection, url)

    assert len(run([[OK, b""]], ask, timeout=0.1)) == 2


def test_a_request_that_waits_can_be_given_up() -> None:
    async def ask(connection: AsyncConnection, url: str) -> None:
        waiting = asyncio.ensure_future(get(connection, url))
        await asyncio.wait({waiting}, timeout=0.05)
        connection.abort()
        with pytest.raises(TransportError, match="given up"):
            await waiting
        with pytest.raises(TransportError, match="given up"):
            await get(connection, url)

    assert len(run([[b""]], ask)) == 1


def run_in_thread(
    answers: list[list[bytes]],
    ask: Callable[[ThreadConnection, str], None],
    *,
    timeout: float = 5.0,
) -> list[bytes]:
    """As ``run``, for the connection of threads."""
    connection = ThreadConnection(timeout=timeout)

    async def in_thread(_: AsyncConnection, url: str) -> None:
        await asyncio.to_thread(ask, connection, url)

    try:
        return run(answers, in_thread)
    finally:
        connection.close()


def test_a_thread_is_answered_over_one_connection_until_the_server_closes_it() -> None:
    def ask(connection: ThreadConnection, url: str) -> None:
        assert connection.send("GET", url, {}) == Reply(204, b"")
        for _ in range(4):
            assert connection.send("POST", url, {}, b"").body == b"ok"

    requests = run_in_thread([[b"HTTP/1.1 204 No Content\r\n\r\n", OK], [OK, OK], [OK]], ask)
    assert len(requests) == 5


@broken_answers
def test_a_broken_answer_to_a_thread_is_an_error(answer: bytes) -> None:
    def ask(connection: ThreadConnection, url: str) -> None:
        with pytest.raises(TransportError):
            connection.send("GET", url, {})

    assert len(run_in_thread([[answer]], ask)) == 1


def test_a_thread_waits_for_so_long_and_no_longer() -> None:
    def ask(connection: ThreadConnection, url: str) -> None:
        with pytest.raises(TransportError, match="timed out"):
            connection.send("GET", url, {})

    assert len(run_in_thread([[b""]], ask, timeout=0.1)) == 1
