"""Beneath the mocks and recorders of users' tests: what they replace carries nothing of ours."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.pytest_runs.downstream import ANYIO, Project
from tests.support.pytest_runs.inner_run import InnerRun

# What pytest-httpx, respx, vcrpy, responses and aioresponses replace, as far as it is installed.
REPLACED = """
import contextlib
import functools
import http.client
import importlib

import pytest

PLACES = [
    ("httpx", "HTTPTransport", "handle_request"),
    ("httpx", "AsyncHTTPTransport", "handle_async_request"),
    ("httpcore", "ConnectionPool", "handle_request"),
    ("httpcore", "AsyncConnectionPool", "handle_async_request"),
    ("http.client", "HTTPConnection", "request"),
    ("http.client", "HTTPConnection", "connect"),
    ("requests.adapters", "HTTPAdapter", "send"),
    ("urllib3.connectionpool", "HTTPConnectionPool", "urlopen"),
    ("aiohttp", "ClientSession", "_request"),
]
seen = []

def refuse(place, *args, **more):
    seen.append(place)
    raise AssertionError(f"a mock sees this: {place}")

for module, name, method in PLACES:
    with contextlib.suppress(ImportError):
        kind = getattr(importlib.import_module(module), name)
        setattr(kind, method, functools.partialmethod(lambda self, place, *a, **k: refuse(place),
                                                       f"{name}.{method}"))

@pytest.fixture
def seen_by_mocks():
    seen.clear()
    yield seen
    seen.clear()
"""

APP = """
import httpx
from fastapi import FastAPI, WebSocket
from fastapi.responses import StreamingResponse
from pytest_flash import CpuLiveServerless, LiveServerless, remote

app = FastAPI()

@remote(LiveServerless(name="gpu"))
def double(x):
    print("doubling")
    return {"value": x * 2}

@app.get("/double/{x}")
async def doubled(x: int):
    return await double(x)

@app.websocket("/echo")
async def echo(socket: WebSocket):
    await socket.accept()
    await socket.send_text(await socket.receive_text())

@app.get("/outside")
async def outside():
    async with httpx.AsyncClient() as client:
        return (await client.get("http://outside.example")).text

@app.post("/count")
async def count(parts: int):
    return StreamingResponse(f"{number} " for number in range(parts))
"""

TESTS = """
import asyncio
import socket
import conftest
import pytest
import main
from pytest_flash.errors import JobFailedError

def test_a_call(flash_client, flash_jobs, seen_by_mocks):
    assert flash_client.get("/double/1").json()["value"] == 2
    assert "doubling" in flash_jobs[0].stdout
    assert seen_by_mocks == []

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_the_asynchronous_client(flash_async_client, seen_by_mocks):
    async with flash_async_client.stream("POST", "/count?parts=3", content=b"x" * 300_000) as all:
        assert [part async for part in all.aiter_text()]
    assert (await flash_async_client.get("/double/2")).json()["value"] == 4
    assert seen_by_mocks == []

def test_a_stream(flash_client, seen_by_mocks):
    with flash_client.stream("POST", "/count?parts=3", content=iter([b"x"] * 3)) as answer:
        assert "".join(answer.iter_text()) == "0 1 2 "
    assert seen_by_mocks == []

UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
           "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}

def test_a_switch_of_protocols(flash_client):
    with flash_client.stream("GET", "/echo", headers=UPGRADE) as answer:
        assert answer.status_code == 101
        stream = answer.extensions["network_stream"]
        stream.write(bytes([0x81, 0x82]) + bytes(4) + b"hi", timeout=60)
        assert stream.read(1, timeout=60) + stream.read(9, timeout=60) == b"\\x81\\x02hi"

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_a_switch_of_protocols_by_the_asynchronous_client(flash_async_client):
    async with flash_async_client.stream("GET", "/echo", headers=UPGRADE) as answer:
        stream = answer.extensions["network_stream"]
        await stream.write(bytes([0x81, 0x82]) + bytes(4) + b"hi", timeout=60)
        assert await stream.read(9, timeout=60) == b"\\x81\\x02hi"

def test_faults_and_what_the_emulator_does(flash_client, flash_emulator, seen_by_mocks):
    flash_emulator.kill_worker(count=None)
    with pytest.raises(JobFailedError, match="SIGKILL"):
        asyncio.run(main.double(1))
    assert flash_emulator.endpoints()
    assert seen_by_mocks == []

# As those of httpretty and mocket, which stand in for the class itself.
class Replaced(socket.socket):
    def refuse(self):
        if self.family == socket.AF_INET:
            conftest.refuse("socket.socket")
    def connect(self, address):
        self.refuse()
        super().connect(address)
    def send(self, *data):
        self.refuse()
        return super().send(*data)
    def recv(self, *size):
        self.refuse()
        return super().recv(*size)

def test_sockets_that_are_replaced(flash_client, flash_emulator, seen_by_mocks, monkeypatch):
    monkeypatch.setattr(socket, "socket", Replaced)
    assert flash_client.get("/double/3").json()["value"] == 6
    assert main.double.blocking(3)["value"] == 6
    assert flash_emulator.endpoints()
    assert seen_by_mocks == []

def test_what_the_app_sends_elsewhere_is_seen(flash_client, seen_by_mocks):
    assert flash_client.get("/outside").status_code == 500
    assert seen_by_mocks == ["AsyncHTTPTransport.handle_async_request"]
"""


@pytest.fixture(scope="module")
def mocked(shared_project: Project) -> InnerRun:
    shared_project.python.need("trio")
    shared_project.write("conftest.py", REPLACED)
    shared_project.write("main.py", APP)
    shared_project.write("test_mocked.py", TESTS)
    return shared_project.report(*ANYIO)


def test_mocks_see_what_the_app_sends_and_nothing_of_ours(mocked: InnerRun) -> None:
    mocked.check("test_mocked", passed=10)


def test_so_it_is_in_a_worker_of_xdist_whose_first_call_meets_them(
    mocked: InnerRun, shared_project: Project, passes: Callable[..., None]
) -> None:
    del mocked  # It wrote the project.
    shared_project.python.need("xdist")
    passes(shared_project.pytest(*ANYIO, "-n1", "-k", "sockets_that_are_replaced"), passed=1)


# As pyfakefs has it: of what is installed nothing is found.
NOTHING_INSTALLED = """
import importlib.metadata
import main

def test_a_first_call_where_nothing_is_installed(flash_endpoints, monkeypatch):
    def nothing(name):
        raise importlib.metadata.PackageNotFoundError(name)
    monkeypatch.setattr(importlib.metadata.Distribution, "from_name", nothing)
    assert main.double.blocking(3)["value"] == 6
"""


def test_the_first_call_of_a_worker_of_xdist_reads_nothing_of_what_is_installed(
    project: Project, passes: Callable[..., None]
) -> None:
    project.python.need("xdist")
    project.write("test_nothing.py", NOTHING_INSTALLED)
    passes(project.pytest("-n1"), passed=1)
