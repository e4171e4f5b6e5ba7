"""WebSockets behind the load balancer, to an app served by uvicorn."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from pytest_flash.emulator.client.control import EmulatorControl
from tests.emulator.harness import KEY, Emulator, serving_project, until

T = TypeVar("T")

APP = """
import os
from fastapi import FastAPI, WebSocket

app = FastAPI()


@app.get("/ping")
def ping(): ...


@app.websocket("/echo")
async def echo(client: WebSocket):
    await client.accept("second" if "second" in client.scope["subprotocols"] else None)
    await client.send_json({
        "query": client.url.query, "headers": dict(client.headers), "pid": os.getpid(),
    })
    while True:
        message = await client.receive()
        if message["type"] == "websocket.disconnect":
            break
        if message.get("text") == "exit":
            os._exit(3)
        if message.get("text") == "close":
            await client.close(4001, "as asked")
            break
        await client.send(
            {"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")}
        )


@app.websocket("/deny")
async def deny(client: WebSocket):
    await client.close()
"""


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    folder: Path = tmp_path_factory.mktemp("project")
    command = f"sh -c 'exec {sys.executable} -m uvicorn app:app --port $PORT'"
    (folder / "pyproject.toml").write_text(
        f'[tool.flash.emulator.images]\n"my/api" = "{command}"\n'
    )
    (folder / "app.py").write_text(APP)
    with serving_project(folder) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def endpoint(serving: Emulator) -> str:
    return serving.create(
        type="LOAD_BALANCER",
        image="my/api",
        scaling={"type": "REQUEST_COUNT", "requestCount": 4},
        workers={"max": 1},
    )


@pytest.fixture
def base(serving: Emulator, endpoint: str) -> str:
    return f"{serving.origin.replace('http', 'ws', 1)}/lb/{endpoint}"


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 30))


def opened(url: str, **options: Any) -> connect:
    headers = {"Authorization": f"Bearer {KEY}", "X-Mine": "1"}
    options = {"open_timeout": 20, "max_size": None, "proxy": None, **options}
    return connect(url, additional_headers=headers, **options)


async def hello(socket: ClientConnection) -> dict[str, Any]:
    import json

    found: dict[str, Any] = json.loads(await socket.recv())
    return found


def test_messages_go_both_ways(serving: Emulator, endpoint: str, base: str) -> None:
    async def talk() -> None:
        async with opened(f"{base}/echo?a=1", subprotocols=["first", "second"]) as socket:
            assert socket.subprotocol == "second"
            (worker,) = serving.workers(endpoint)
            assert worker["status"] == "RUNNING"
            assert socket.response is not None
            assert socket.response.headers["X-Runpod-Worker-Id"] == worker["id"]
            seen = await hello(socket)
            assert seen["query"] == "a=1"
            assert seen["headers"]["x-mine"] == "1"
            assert "authorization" not in seen["headers"]
            for message in ("text", b"bytes", "", b"", "x" * 5_000_000):
                await socket.send(message)
                assert await socket.recv() == message

    run(talk())
    until(lambda: serving.statuses(endpoint), lambda statuses: statuses == ["IDLE"])


def test_the_worker_closes_with_its_code(base: str) -> None:
    async def talk() -> None:
        async with opened(f"{base}/echo") as socket:
            await hello(socket)
            await socket.send("close")
            with pytest.raises(ConnectionClosed) as caught:
                await socket.recv()
            assert caught.value.rcvd is not None
            assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4001, "as asked")

    run(talk())


@pytest.mark.parametrize(("path", "status"), [("/deny", 403), ("/nothing", 403)])
def test_a_worker_may_refuse(base: str, path: str, status: int) -> None:
    async def talk() -> None:
        with pytest.raises(InvalidStatus) as caught:
            async with opened(base + path):
                pass
        assert caught.value.response.status_code == status

    run(talk())


def test_a_worker_that_dies_ends_its_sockets(base: str) -> None:
    async def talk() -> None:
        async with opened(f"{base}/echo") as socket:
            await hello(socket)
            await socket.send("exit")
            with pytest.raises(ConnectionClosed) as caught:
                await socket.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1011

    run(talk())


def test_the_plane_needs_the_key(base: str) -> None:
    async def talk() -> None:
        with pytest.raises(InvalidStatus) as caught:
            async with connect(f"{base}/echo", proxy=None):
                pass
        assert caught.value.response.status_code == 401

    run(talk())


def test_other_planes_have_no_sockets(serving: Emulator) -> None:
    async def talk() -> None:
        with pytest.raises(InvalidStatus) as caught:
            async with opened(f"{serving.origin.replace('http', 'ws', 1)}/queue/v2/x/run"):
                pass
        assert caught.value.response.status_code == 403

    run(talk())


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_fault_refuses_a_websocket(
    serving: Emulator, endpoint: str, base: str, moment: Literal["before", "after"]
) -> None:
    async def talk() -> None:
        with pytest.raises(InvalidStatus) as refused:
            await opened(f"{base}/echo")
        assert refused.value.response.status_code == 429
        async with opened(f"{base}/echo") as socket:
            assert (await hello(socket))["pid"]

    with EmulatorControl(f"{serving.origin}/api", KEY) as control:
        control.refuse_requests("load_balancer", 429, moment=moment, endpoint=endpoint)
        run(talk())
        control.clear()
