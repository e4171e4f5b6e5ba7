"""The transport of the queue client against servers that answer well, badly, half or late."""

from __future__ import annotations

import asyncio
import random
import resource
import ssl
from collections.abc import Callable

import pytest
import uvloop

from pytest_flash.http.errors import (
    ConnectError,
    ReadTimeoutError,
    RemoteProtocolError,
    TransportError,
)
from pytest_flash.http.pool import AsyncClient
from pytest_flash.http.tls import default_context
from tests.runpod.peers import (
    CERTIFICATE,
    OK,
    Asking,
    Peer,
    Server,
    asking,
    echo,
    run,
    says,
    serving,
)


def test_requests_one_after_another_share_a_connection() -> None:
    async def ask(client: Asking, server: Server) -> None:
        for number in range(5):
            answer = await client.post(server.url, content=str(number))
            assert answer.text == str(number)

    assert len(run(echo, ask).peers) == 1


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_every_request_in_flight_gets_its_own_answer(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def main() -> None:
        async with serving(echo) as server, asking() as client:
            for _ in range(3):
                answers = await asyncio.gather(
                    *(client.post(server.url, content=str(number)) for number in range(100))
                )
                assert [answer.text for answer in answers] == [str(each) for each in range(100)]
            assert len(server.peers) == 100

    loop = new_loop()
    try:
        loop.run_until_complete(asyncio.wait_for(main(), 20))
    finally:
        loop.close()


@pytest.mark.parametrize("size", [0, 1, 65_536, 8_000_000])
def test_bodies_of_any_size_go_both_ways(size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)

    async def ask(client: Asking, server: Server) -> None:
        assert (await client.post(server.url, content=body[:size])).body == body[:size]

    run(echo, ask)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (OK, b"ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
            b"ok",
        ),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.0 200 OK\r\n\r\nold", b"old"),
    ],
)
def test_answers_of_every_form_are_read(raw: bytes, expected: bytes) -> None:
    async def ask(client: Asking, server: Server) -> None:
        for _ in range(3):
            assert (await client.post(server.url, content="x")).body == expected

    run(says(raw), ask)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nno",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
    ],
)
def test_a_broken_answer_is_an_error_and_the_request_is_not_sent_again(raw: bytes) -> None:
    async def ask(client: Asking, server: Server) -> None:
        with pytest.raises(TransportError):
            await client.post(server.url, content="x")
        assert len(server.peers) == 1

    run(says(raw), ask)


def test_an_answer_that_breaks_off_is_called_so() -> None:
    async def ask(client: Asking, server: Server) -> None:
        with pytest.raises(RemoteProtocolError, match="closed the connection"):
            await client.post(server.url, content="x")

    for raw in (b"", OK[:-1], OK[:20]):
        run(says(raw), ask)


def test_a_connection_that_the_server_closed_meanwhile_is_not_used() -> None:
    async def ask(client: Asking, server: Server) -> None:
        for number in range(1, 20):
            assert (await client.post(server.url, content="x")).text == "ok"
            # Closed, and this loop has not run since: only the system knows.
            server.peers[-1].writer.transport.abort()
            assert len(server.peers) == number

    run(says(OK), ask)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_server_that_closes_idle_connections_at_random_breaks_no_request(
    new_loop: Callable[[], asyncio.AbstractEventLoop], secure: bool
) -> None:
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(CERTIFICATE)
    chance = random.Random(7)
    busy: set[Peer] = set()

    async def handler(peer: Peer) -> None:
        while True:
            body = await peer.request()
            busy.add(peer)
            await peer.answer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            busy.discard(peer)

    def close_some(server: Server) -> None:
        for peer in server.peers:
            if peer not in busy and chance.random() < 0.3:
                close = peer.writer.close if chance.random() < 0.5 else peer.writer.transport.abort
                close()

    async def main() -> None:
        mine = ssl.create_default_context(cafile=CERTIFICATE) if secure else None
        async with serving(handler, theirs if secure else None) as server, asking(mine) as client:
            for number in range(30):
                texts = [f"{number} {each}" for each in range(chance.randint(1, 8))]
                answers = await asyncio.gather(*(client.post(server.url, content=t) for t in texts))
                assert [answer.text for answer in answers] == texts
                close_some(server)
                if chance.random() < 0.5:
                    await asyncio.sleep(0)  # Else this loop has not run since.

    loop = new_loop()
    try:
        loop.run_until_complete(asyncio.wait_for(main(), 30))
    finally:
        loop.close()


def test_a_connection_is_closed_before_the_server_grows_tired_of_it() -> None:
    async def main() -> None:
        async with serving(echo) as server, asking(client=AsyncClient(kept=0.01)) as client:
            await client.post(server.url, content="x")
            await asyncio.wait_for(server.peers[0].gone.wait(), 10)
            await client.post(server.url, content="x")
        assert len(server.peers) == 2

    asyncio.run(main())


def test_requests_beyond_what_may_be_in_flight_wait_for_their_turn() -> None:
    flying, highest = 0, 0

    async def handler(peer: Peer) -> None:
        nonlocal flying, highest
        while True:
            body = await peer.request()
            flying += 1
            highest = max(highest, flying)
            await asyncio.sleep(0.002)  # Lets others begin.
            flying -= 1
            await peer.answer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    async def main() -> None:
        async with serving(handler) as server, asking(client=AsyncClient(most=5)) as client:
            asked = [client.post(server.url, content=f"{number}") for number in range(60)]
            answers = await asyncio.gather(*asked)
            assert [answer.text for answer in answers] == [f"{each}" for each in range(60)]
        assert len(server.peers) == highest == 5

    asyncio.run(asyncio.wait_for(main(), 20))


def test_idle_connections_to_elsewhere_make_room() -> None:
    async def main() -> None:
        few = AsyncClient(most=2, kept=60)
        async with serving(echo) as one, serving(echo) as other, asking(client=few) as client:
            await asyncio.gather(*(client.post(one.url, content="x") for _ in range(2)))
            await client.post(other.url, content="x")
            for peer in one.peers:
                await asyncio.wait_for(peer.gone.wait(), 10)

    asyncio.run(asyncio.wait_for(main(), 20))


def test_a_process_with_few_files_makes_a_thousand_requests_at_once() -> None:
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (400, most))
    try:

        async def ask(client: Asking, server: Server) -> None:
            asked = [
                client.post(server.url, content=f"{number}", timeout=20) for number in range(1000)
            ]
            answers = await asyncio.gather(*asked)
            assert {answer.status for answer in answers} == {200}

        assert len(run(echo, ask).peers) <= 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))


def test_a_reset_while_a_request_is_on_its_way_is_an_error() -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.answer(OK)
        await peer.request()
        peer.writer.transport.abort()

    async def ask(client: Asking, server: Server) -> None:
        await client.post(server.url, content="x")
        with pytest.raises(TransportError):
            await client.post(server.url, content="y")
        assert len(server.peers) == 1

    run(handler, ask)


@pytest.mark.parametrize("pieces", [[OK + OK], [OK, OK], [OK[:9], OK[9:] + OK[:9], OK[9:]]])
def test_what_comes_unasked_spoils_the_connection_only(pieces: list[bytes]) -> None:
    async def handler(peer: Peer) -> None:
        while True:
            await peer.request()
            for piece in pieces:
                await peer.answer(piece)
                await asyncio.sleep(0)  # Lets the client read in between.

    async def ask(client: Asking, server: Server) -> None:
        for _ in range(5):
            assert (await client.post(server.url, content="x")).text == "ok"
            await asyncio.sleep(0.01)  # Lets the rest arrive.

    assert len(run(handler, ask).peers) == 5


def test_the_answer_to_a_cancelled_request_reaches_nobody() -> None:
    async def handler(peer: Peer) -> None:
        while True:
            body = await peer.request()
            if body == b"slow":
                await asyncio.sleep(0.05)  # Long enough for the client to be cancelled first.
            await peer.answer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    async def ask(client: Asking, server: Server) -> None:
        for _ in range(5):
            slow = asyncio.ensure_future(client.post(server.url, content="slow"))
            await asyncio.wait({slow}, timeout=0.02)
            slow.cancel()
            with pytest.raises(asyncio.CancelledError):
                await slow
            answers = [await client.post(server.url, content=f"{number}") for number in range(3)]
            assert [answer.text for answer in answers] == ["0", "1", "2"]

    run(handler, ask)


def test_a_server_that_says_nothing_is_not_waited_for_for_ever() -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.reader.read()

    async def ask(client: Asking, server: Server) -> None:
        with pytest.raises(ReadTimeoutError):
            await client.post(server.url, content="x", timeout=0.1)

    run(handler, ask)


def test_a_slow_answer_that_keeps_coming_is_read_to_its_end() -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n")
        for _ in range(30):
            await peer.answer(b"x")
            await asyncio.sleep(0.02)  # Six times the client's patience in all.

    async def ask(client: Asking, server: Server) -> None:
        answer = await client.post(server.url, content="x", timeout=0.1)
        assert answer.body == b"x" * 30

    run(handler, ask)


def test_nobody_there_is_a_connect_error() -> None:
    async def main() -> None:
        async with serving(echo) as server:
            url = server.url
        async with asking() as client:
            with pytest.raises(ConnectError):
                await client.get(url)

    asyncio.run(main())


def test_tls_is_spoken_and_the_certificate_verified() -> None:
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(CERTIFICATE)

    async def main() -> None:
        async with serving(echo, theirs) as server:
            async with asking(ssl.create_default_context(cafile=CERTIFICATE)) as client:
                for _ in range(3):
                    assert (await client.post(server.url, content="x" * 100_000)).status == 200
                assert len(server.peers) == 1
            async with asking(default_context()) as client:
                with pytest.raises(ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                    await client.post(server.url, content="x")

    asyncio.run(main())


CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "drop"), [(CHUNKS, b"1\r\nx\r\n"), (b"HTTP/1.1 200 OK\r\nX: ", b"x")]
)
def test_an_answer_that_trickles_in_without_an_end(head: bytes, drop: bytes) -> None:
    """Each byte comes in time, and none is the last: of a body, and of a header."""

    async def trickle(peer: Peer) -> None:
        await peer.request()
        await peer.answer(head)
        while True:
            await peer.answer(drop)
            await asyncio.sleep(0.02)

    async def main() -> None:
        soon = AsyncClient(whole=0.3)
        async with serving(trickle) as server, asking(client=soon) as client:
            with pytest.raises(ReadTimeoutError, match="has begun and does not end"):
                await client.get(server.url, timeout=0.2)

    asyncio.run(asyncio.wait_for(main(), 20))
