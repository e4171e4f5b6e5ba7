"""An app that can fail in several ways, and tests that make it do so."""

from __future__ import annotations

from tests.support.downstream import Project

APP = """\
import asyncio
import pathlib
from fastapi import BackgroundTasks, FastAPI
from pytest_flash import CpuLiveServerless, LiveServerless, remote

app = FastAPI()
quick = LiveServerless(name="gpu", executionTimeoutMs=5_000)
sleepers, lingered = [], []

@remote(quick)
def double(x):
    return x * 2

@remote(CpuLiveServerless(name="cpu"))
def divide(a, b):
    print("about to divide \\ud800")
    return a / b

@remote(quick)
def loud():
    print("first")
    print("x" * 100_000)
    print("last")
    raise ValueError("y" * 100_000)

@remote(quick)
def says(text, heard):
    import pathlib, time
    print(text)
    deadline = time.monotonic() + 60
    while not pathlib.Path(heard).exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    print("then", text)

@remote(LiveServerless(name="limited", executionTimeoutMs=3_000))
def times_out():
    import time
    print("until it is ended", flush=True)
    time.sleep(600)

@remote(LiveServerless(name="brief", executionTimeoutMs=1_000))
def brief():
    pass

@remote(LiveServerless(name="lingers"))
def linger():
    import time
    print("lingering", flush=True)
    time.sleep(600)  # Lingers.

@app.get("/double/{x}")
async def doubled(x: int):
    return await double(x)

@app.get("/divide/{a}/{b}")
async def divided(a: int, b: int):
    return await divide(a, b)

@app.get("/much")
async def much():
    await loud()

@app.post("/later")
def later(tasks: BackgroundTasks):
    tasks.add_task(divide, 1, 0)

@app.get("/broken")
def broken():
    return {}["nothing"]

@app.get("/linger/{number}")
async def lingering(number: int):
    try:
        return await linger()
    finally:
        lingered.append(number)

@app.get("/asleep")
async def asleep():
    awake = asyncio.Event()
    sleepers.append((asyncio.get_running_loop(), awake))
    await awake.wait()

@app.get("/block")
async def block():
    import time
    pathlib.Path("blocked").touch()
    time.sleep(600)  # Blocks.
"""

# The same routes, with middleware around them.
FRAMED_APP = """
import asyncio
import main
from fastapi import FastAPI

app = FastAPI()
app.include_router(main.app.router)

@app.middleware("http")
async def around(request, call_next):
    return await call_next(request)

@app.get("/both")
async def both():
    if not hasattr(asyncio, "TaskGroup"):
        return await main.divide(1, 0)
    async with asyncio.TaskGroup() as group:
        group.create_task(main.divide(1, 0))
"""

WAITING = """
import contextlib, threading, time
import httpx
import main

def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)

def ask(client, url):
    # Asks from a thread, and waits for no answer: the test ends before there is one.
    def get():
        with httpx.Client(base_url=client.base_url, timeout=60, trust_env=False) as other:
            with contextlib.suppress(httpx.HTTPError):
                other.get(url)
    threading.Thread(target=get, daemon=True).start()

def fall_asleep(client):
    ask(client, "/asleep")
    wait_until(lambda: main.sleepers)
"""

# Else the server would give them a while at its end.
CONFTEST = """
import main, pytest

@pytest.fixture(scope="module", autouse=True)
def wake():
    yield
    while main.sleepers:
        loop, awake = main.sleepers.pop()
        loop.call_soon_threadsafe(awake.set)
"""

DIVIDES = """
def test_divides(flash_client):
    assert flash_client.get("/divide/1/0").status_code == 200
"""

BROKEN = """
def test_broken(flash_client):
    assert flash_client.get("/broken").status_code == 200
"""

SILENT = """
def test_passes(flash_client):
    assert flash_client.get("/divide/1/0").status_code == 500

def test_fails(flash_client):
    assert False
"""

GIVES_UP = """
import httpx, main, pytest
from waiting import wait_until

def test_gives_up(flash_client, flash_jobs):
    with pytest.raises(httpx.ReadTimeout):
        flash_client.get("/linger/2", timeout=0.1)
    wait_until(lambda: len(flash_jobs) == 1)
    with pytest.raises(httpx.ReadTimeout):
        flash_client.get("/asleep", timeout=0.1)
    wait_until(lambda: main.sleepers)

def test_next(flash_client):
    wait_until(lambda: 2 in main.lingered)
    flash_client.get("/double/1")
    assert False
"""

LOUD = """
def test_loud(flash_client):
    assert flash_client.get("/much").status_code == 200
"""

FRAMED = """
import framed, pytest
from waiting import fall_asleep

@pytest.fixture(scope="session")
def flash_app():
    return framed.app

def test_framed(flash_client):
    assert flash_client.get("/broken").status_code == 200

def test_both(flash_client):
    assert flash_client.get("/both").status_code == 200

def test_hangs(flash_client):
    fall_asleep(flash_client)
    flash_client.get("/asleep", timeout=0.5)
"""

LATER = """
from waiting import wait_until

def test_later(flash_client, flash_session):
    answer = flash_client.post("/later")
    wait_until(lambda: flash_session.recorder.errors)
    assert answer.status_code == 201
"""

HANGS = """
from waiting import ask, fall_asleep, wait_until

def test_lingers(flash_client, flash_jobs):
    ask(flash_client, "/linger/1")
    # Runpod names a job after a second.
    wait_until(lambda: flash_jobs and flash_jobs[0].id and "lingering" in flash_jobs[0].stdout)
    fall_asleep(flash_client)
    flash_client.get("/asleep", timeout=0.5)

def test_asleep(flash_client):
    fall_asleep(flash_client)
    flash_client.get("/asleep", timeout=0.5)
"""

SETUP = """
import pytest

@pytest.fixture
def broken(flash_client):
    flash_client.get("/broken").raise_for_status()

def test_setup(broken):
    pass
"""


OUTPUT = """
import asyncio, main
from waiting import wait_until

def say(text, jobs, path):
    async def call():
        said = asyncio.ensure_future(main.says(text, str(path)))
        await asyncio.to_thread(wait_until, lambda: jobs and text in jobs[0].stdout)
        path.touch()
        await said
    asyncio.run(call())

def test_first(flash_endpoints, flash_jobs, tmp_path):
    say("a", flash_jobs, tmp_path / "heard")

def test_second(flash_endpoints, flash_jobs, tmp_path):
    say("b", flash_jobs, tmp_path / "heard")
    assert 0
"""
SUMMED_UP = """
def test_summed_up(flash_client):
    for x in range(3):
        flash_client.get(f"/double/{x}")
    flash_client.get("/divide/1/0")
"""

TIMES_OUT = """
import asyncio, main

def test_times_out(flash_endpoints):
    asyncio.run(main.times_out())
"""
CUT = """
import asyncio, dataclasses
import main, pytest

@pytest.fixture(scope="session")
def flash_config(flash_config):
    return dataclasses.replace(flash_config, startup_timeout=3.0)

def test_cut(flash_endpoints, flash_emulator):
    flash_emulator.no_capacity()
    asyncio.run(main.brief())
"""
BLOCKS = """
import pathlib
import httpx, pytest
from waiting import wait_until

def test_blocks(flash_client):
    with pytest.raises(httpx.ReadTimeout):
        flash_client.get("/block", timeout=0.1)
    wait_until(pathlib.Path("blocked").exists)

def test_blocked(flash_client):
    flash_client.get("/double/1", timeout=0.5)
"""


def write_app(project: Project) -> Project:
    """Write the app and what the tests share."""
    for name, source in {"main": APP, "waiting": WAITING, "conftest": CONFTEST}.items():
        project.write(f"{name}.py", source)
    return project


def line(code: str) -> int:
    """The line of the app with ``code``."""
    return next(n for n, each in enumerate(APP.splitlines(), 1) if code in each)
