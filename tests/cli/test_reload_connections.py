"""What becomes of open connections and running answers when the code is replaced."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
import websockets.sync.client as websockets
from websockets.exceptions import ConnectionClosed

from tests.support.runs.command import RunCommand
from tests.support.runs.flash_run import FlashRun
from tests.support.runs.saving import save
from tests.support.runs.shared_run import SharedRun, sharing
from tests.support.system.processes import wait_until

APP = """\
import asyncio, contextlib, time
from pathlib import Path
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
async def slow(until: str):
    print("slow begins", flush=True)
    while not Path(until).exists():
        await asyncio.sleep(0.01)
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


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedRun]:
    """A server that waits for its answers, however long they take."""
    timings = {"reload_grace": 3600.0}
    with sharing(tmp_path_factory.mktemp("shared"), timings=timings) as served:
        yield served


@pytest.fixture
def run(shared: SharedRun, http: httpx.Client) -> FlashRun:
    """It serves ``APP``."""
    run = shared.begin()
    change(shared.main, 0)
    wait_for_value(http, run.url, 0)
    return run


def change(main: Path, value: int) -> None:
    save(main, APP.replace("VALUE = 0", f"VALUE = {value}"))


def wait_for_value(http: httpx.Client, url: str, value: int) -> None:
    wait_until(lambda: http.get(url).json() == value, 60, f"the value {value}")


def generation(answer: httpx.Response) -> int:
    return int(answer.headers["X-Flash-Generation"])


def test_a_running_answer_is_finished_by_the_old_code(
    shared: SharedRun, run: FlashRun, http: httpx.Client, tmp_path: Path
) -> None:
    url, until = run.url, tmp_path / "until"
    before = generation(http.get(url))
    answers: list[httpx.Response] = []

    def ask() -> None:
        answers.append(http.get(f"{url}/slow", params={"until": str(until)}))

    asking = threading.Thread(target=ask)
    asking.start()
    run.wait_for("slow begins")

    change(shared.main, 1)
    wait_for_value(http, url, 1)
    until.touch()
    asking.join(60)

    (answer,) = answers
    assert answer.json() == 0
    assert generation(answer) == before


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedRun]:
    """A server that soon cuts off what old code answers, and has new code begin after it.

    Nor does it show code that is broken, since the rest may follow.
    """
    timings = {"reload_grace": 0.5, "head_start": 3600.0, "doubt": 3600.0}
    with sharing(tmp_path_factory.mktemp("strict"), timings=timings) as served:
        yield served


def test_an_answer_without_end_is_cut_after_its_grace(
    strict: SharedRun, http: httpx.Client
) -> None:
    run = strict.begin()
    url = run.url
    change(strict.main, 0)
    wait_for_value(http, url, 0)
    with http.stream("GET", f"{url}/stream") as answer:
        parts = answer.iter_raw()
        assert next(parts)
        change(strict.main, 1)
        with pytest.raises(httpx.RemoteProtocolError):
            read_for(60, parts)
    wait_for_value(http, url, 1)
    run.wait_for("lifespan over")


def read_for(seconds: float, parts: Iterator[bytes]) -> None:
    deadline = time.monotonic() + seconds
    for _ in parts:
        assert time.monotonic() < deadline


def test_web_sockets_are_closed_with_1012_and_find_the_new_code(
    shared: SharedRun, run: FlashRun
) -> None:
    address = run.url.replace("http://", "ws://") + "/socket"
    with websockets.connect(address, open_timeout=60) as connection:
        connection.send("a")
        assert connection.recv(60) == "0 a"
        change(shared.main, 1)
        with pytest.raises(ConnectionClosed) as closed:
            connection.recv(60)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
    with websockets.connect(address, open_timeout=60) as connection:
        connection.send("b")
        assert connection.recv(60) == "1 b"


def test_what_is_sent_while_reloading_waits_for_the_new_code(
    shared: SharedRun, run: FlashRun, http: httpx.Client
) -> None:
    # The new code takes half a second to import.
    slow = "VALUE = 1\nprint('importing', flush=True)\ntime.sleep(0.5)"
    save(shared.main, APP.replace("VALUE = 0", slow))
    run.wait_for("importing")
    assert http.get(run.url).json() == 1


def test_a_save_while_the_code_is_imported_is_not_held_up_by_it(
    shared: SharedRun, run: FlashRun, http: httpx.Client
) -> None:
    stuck = "print('stuck', flush=True)\ntime.sleep(3600)"
    save(shared.main, APP.replace("VALUE = 0", stuck))
    run.wait_for("stuck")
    change(shared.main, 2)
    wait_for_value(http, run.url, 2)


def test_an_old_lifespan_ends_before_the_new_one_begins(
    strict: SharedRun, http: httpx.Client, tmp_path: Path
) -> None:
    run = strict.begin()
    # Both want the same lock.
    source = f"""\
import contextlib, fcntl
from fastapi import FastAPI

@contextlib.asynccontextmanager
async def life(app):
    with open({str(tmp_path / "lock")!r}, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield

app = FastAPI(lifespan=life)

@app.get("/")
def index(): return VALUE

VALUE = """
    for value in range(1, 4):
        save(strict.main, f"{source}{value}\n")
        wait_for_value(http, run.url, value)


def test_a_file_that_is_written_in_two_steps_is_never_seen_half(
    strict: SharedRun, http: httpx.Client
) -> None:
    url = strict.begin().url
    statuses: set[int] = set()

    def arrived(value: int) -> bool:
        response = http.get(url)
        statuses.add(response.status_code)
        return response.status_code == 200 and response.json() == value

    before, after = APP.split("VALUE = 0")
    for value in range(1, 4):
        with strict.main.open("w") as file:
            file.write(f"{before}VALUE = {value} + (")
            file.flush()
            file.write(f"0){after}")
        wait_until(partial(arrived, value), 60, f"the value {value}")
    assert statuses == {200}


def test_the_header_is_on_every_answer(
    shared: SharedRun, run: FlashRun, http: httpx.Client
) -> None:
    url = run.url
    before = generation(http.get(url))
    assert generation(http.get(f"{url}/nowhere")) == before
    assert generation(http.post(url)) == before
    save(shared.main, APP.replace("return VALUE", "return 1 / 0"))
    wait_until(lambda: http.get(url).status_code == 500, 60, "the error")
    assert generation(http.get(url)) > before


def test_the_command_line_waits_for_a_generation(
    shared: SharedRun, run: FlashRun, http: httpx.Client, flash: RunCommand
) -> None:
    before = generation(http.get(run.url))
    assert waited(flash, run.url, before) == str(before)
    change(shared.main, 1)
    assert int(waited(flash, run.url, before + 1)) > before
    assert http.get(run.url).json() == 1


def test_waiting_for_a_generation_has_an_end(run: FlashRun, flash: RunCommand) -> None:
    assert "generation 7000 did not answer" in waited(flash, run.url, 7000, timeout=0.5, code=1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # It does not listen.
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        said = waited(flash, url, 1, timeout=0.5, code=1)
    assert "nothing of flash run answers" in said


def waited(
    flash: RunCommand, url: str, generation: int, *, timeout: float = 60, code: int = 0
) -> str:
    """What ``flash wait`` prints."""
    options = ["--generation", str(generation), "--timeout", str(timeout)]
    ended = flash("wait", url, *options)
    assert ended.code == code
    return (ended.output + ended.errors).strip()
