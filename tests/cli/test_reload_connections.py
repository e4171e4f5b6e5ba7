"""What becomes of open connections and running answers when the code is replaced."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import websockets.sync.client as websockets
from websockets.exceptions import ConnectionClosed

from tests.support.environment import clean_environment
from tests.support.flash_run import FlashRun
from tests.support.processes import wait_until

Start = Callable[..., FlashRun]

APP = """\
import asyncio, contextlib, os, signal, subprocess, sys, time
from fastapi import FastAPI, WebSocket
from fastapi.responses import StreamingResponse

@contextlib.asynccontextmanager
async def life(app):
    yield
    print("lifespan over", flush=True)

app = FastAPI(lifespan=life)
VALUE = 0

@app.get("/")
def index():
    return VALUE

@app.get("/slow")
async def slow(seconds: float):
    print("slow begins", flush=True)
    await asyncio.sleep(seconds)
    return VALUE

@app.get("/stream")
async def stream():
    async def parts():
        while True:
            yield b"part\\n"
            await asyncio.sleep(0.05)
    return StreamingResponse(parts())

@app.websocket("/socket")
async def socket(websocket: WebSocket):
    await websocket.accept()
    while True:
        await websocket.send_text(f"{VALUE} {await websocket.receive_text()}")
"""


@pytest.fixture
def main(tmp_path: Path) -> Path:
    file = tmp_path / "main.py"
    file.write_text(APP)
    return file


@pytest.fixture
def run(flash_run: Start, main: Path) -> FlashRun:
    return flash_run("--host", "127.0.0.1", cwd=main.parent)


def read_for(seconds: float, parts: Iterator[bytes]) -> None:
    deadline = time.monotonic() + seconds
    for _ in parts:
        assert time.monotonic() < deadline


def save(main: Path, value: int) -> None:
    main.write_text(APP.replace("VALUE = 0", f"VALUE = {value}"))


def wait_for_value(http: httpx.Client, url: str, value: int) -> None:
    wait_until(lambda: http.get(url).json() == value, 20, f"the value {value}")


def test_a_running_answer_is_finished_by_the_old_code(
    run: FlashRun, main: Path, http: httpx.Client
) -> None:
    answers = []
    asking = threading.Thread(
        target=lambda: answers.append(http.get(f"{run.url}/slow", params={"seconds": 2}))
    )
    asking.start()
    run.wait_for("slow begins")

    save(main, 1)
    wait_for_value(http, run.url, 1)
    asking.join(20)

    (answer,) = answers
    assert answer.json() == 0
    assert answer.headers["X-Flash-Generation"] == "1"


def test_an_answer_without_end_is_cut_after_its_grace(
    run: FlashRun, main: Path, http: httpx.Client
) -> None:
    with http.stream("GET", f"{run.url}/stream") as answer:
        parts = answer.iter_raw()
        assert next(parts)
        save(main, 1)
        wait_for_value(http, run.url, 1)
        with pytest.raises(httpx.RemoteProtocolError):
            read_for(20, parts)
    wait_until(lambda: "lifespan over" in run.output, 20, "the end of the old lifespan")


def test_web_sockets_are_closed_with_1012_and_find_the_new_code(run: FlashRun, main: Path) -> None:
    address = run.url.replace("http://", "ws://") + "/socket"
    with websockets.connect(address) as connection:
        connection.send("a")
        assert connection.recv(10) == "0 a"
        save(main, 1)
        with pytest.raises(ConnectionClosed) as closed:
            connection.recv(20)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
    with websockets.connect(address) as connection:
        connection.send("b")
        assert connection.recv(10) == "1 b"


def test_what_is_sent_while_reloading_waits_for_the_new_code(
    run: FlashRun, main: Path, http: httpx.Client
) -> None:
    assert http.get(run.url).json() == 0
    # The new code takes a second to import.
    main.write_text(
        APP.replace("VALUE = 0", "VALUE = 1\nprint('importing', flush=True)\ntime.sleep(1)")
    )
    run.wait_for("importing")
    assert http.get(run.url).json() == 1


def test_a_save_while_the_code_is_imported_is_not_held_up_by_it(
    run: FlashRun, main: Path, http: httpx.Client
) -> None:
    main.write_text(APP.replace("VALUE = 0", "print('stuck', flush=True)\ntime.sleep(600)"))
    run.wait_for("stuck")
    save(main, 2)
    wait_for_value(http, run.url, 2)


def test_an_old_lifespan_ends_before_the_new_one_begins(
    flash_run: Start, http: httpx.Client, tmp_path: Path
) -> None:
    # Both want the same port.
    source = """\
import contextlib, socket
from fastapi import FastAPI

@contextlib.asynccontextmanager
async def life(app):
    with socket.create_server(("127.0.0.1", PORT)):
        yield

app = FastAPI(lifespan=life)

@app.get("/")
def index(): return VALUE
"""
    with socket.create_server(("127.0.0.1", 0)) as free:
        source = source.replace("PORT", str(free.getsockname()[1]))
    main = tmp_path / "main.py"
    main.write_text(source.replace("VALUE", "0"))
    run = flash_run(cwd=tmp_path)
    for value in range(1, 4):
        assert http.get(run.url).json() == value - 1
        main.write_text(source.replace("VALUE", str(value)))
        wait_for_value(http, run.url, value)


def test_the_header_is_on_every_answer(run: FlashRun, main: Path, http: httpx.Client) -> None:
    assert http.get(f"{run.url}/nowhere").headers["X-Flash-Generation"] == "1"
    assert http.post(run.url).headers["X-Flash-Generation"] == "1"
    save(main, 1)
    wait_for_value(http, run.url, 1)
    main.write_text(APP.replace("return VALUE", "return 1 / 0"))
    wait_until(lambda: http.get(run.url).status_code == 500, 20, "the error")
    assert http.get(run.url).headers["X-Flash-Generation"] == "3"


def test_the_command_line_waits_for_a_generation(
    run: FlashRun, main: Path, http: httpx.Client
) -> None:
    assert wait(run.url, 1) == "1"
    save(main, 1)
    assert wait(run.url, 2) == "2"
    assert http.get(run.url).json() == 1


def test_waiting_for_a_generation_has_an_end(run: FlashRun) -> None:
    assert "generation 7 did not answer" in wait(run.url, 7, timeout=0.5, code=1)
    assert "nothing of flash run answers" in wait("http://127.0.0.1:9", 1, timeout=0.5, code=1)


def wait(url: str, generation: int, *, timeout: float = 20, code: int = 0) -> str:
    options = ["--generation", str(generation), "--timeout", str(timeout)]
    done = subprocess.run(
        [sys.executable, "-m", "flash_cli", "wait", url, *options],
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    assert done.returncode == code
    return done.stdout.strip()
