"""How sessions end: with streams open, handlers and jobs hung, and by Ctrl-C at any moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess

import pytest

from tests.support.accounts.account import Account
from tests.support.pytest_runs.downstream import NewProject, Project, ending
from tests.support.pytest_runs.forks import Run
from tests.support.pytest_runs.inner_run import InnerRun
from tests.support.system.processes import descendants, wait_gone, wait_until

APP = """
import asyncio, pathlib, time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pytest_flash import LiveServerless, remote

@asynccontextmanager
async def life(app):
    yield
    pathlib.Path("ended").touch()

app = FastAPI(lifespan=life)
pool = ThreadPoolExecutor(1)

def arrived(name):
    pathlib.Path(f"arrived-{name}").touch()

@remote(LiveServerless(name="gpu"))
def double(x):
    return x * 2

@remote(LiveServerless(name="gpu"))
def linger():
    import time
    time.sleep(600)

@app.get("/double/{x}")
async def doubled(x: int):
    return {"value": await double(x)}

@app.get("/stream")
async def stream():
    async def items():
        arrived("stream")
        while True:
            yield b"x"
            await asyncio.sleep(0.05)
    return StreamingResponse(items())

@app.get("/async")
async def hung():
    arrived("async")
    await asyncio.sleep(600)

@app.get("/sync")
def stuck():
    arrived("sync")
    time.sleep(600)

@app.get("/thread")
async def threaded():
    arrived("thread")
    await asyncio.to_thread(time.sleep, 600)

@app.get("/pool")
async def pooled():
    arrived("pool")
    await asyncio.get_running_loop().run_in_executor(pool, time.sleep, 600)

@app.get("/job")
async def job():
    arrived("job")
    return await linger()
"""
ARRIVAL = """
import pathlib, time

def wait_for(name):
    deadline = time.monotonic() + 60
    while not pathlib.Path(f"arrived-{name}").exists():
        assert time.monotonic() < deadline, name
        time.sleep(0.01)
"""
LEAVES_OPEN = """
import threading
import httpx
from arrival import wait_for

def test_it(flash_client, flash_server):
    def ask():
        with httpx.Client(timeout=600, trust_env=False) as client:
            try:
                client.get(flash_server.url + "/{name}")
            except httpx.HTTPError:
                pass  # The connection ends with the server.

    assert flash_client.get("/double/1").json() == {{"value": 2}}
    threading.Thread(target=ask, daemon=True).start()
    wait_for("{name}")
"""
HUNG_THREADS = """
import httpx, pytest
from arrival import wait_for

@pytest.mark.parametrize("n", range(2))
def test_it(flash_client, n):
    name = ("thread", "sync")[n]
    with pytest.raises(httpx.ReadTimeout):
        flash_client.get(f"/{name}", timeout=httpx.Timeout(60, read=0.1))
    wait_for(name)
    assert n
"""
# Hangs before it serves, and has a second to start. The emulator had longer.
HANGS_AT_THE_START = """
import asyncio, dataclasses, time
from contextlib import asynccontextmanager
import pytest
from fastapi import FastAPI

@asynccontextmanager
async def life(app):
    await asyncio.to_thread(time.sleep, 600)
    yield

@pytest.fixture(scope="session")
def flash_config(flash_config):
    return dataclasses.replace(flash_config, startup_timeout=1.0)

@pytest.fixture(scope="session")
def flash_app(flash_session):
    return FastAPI(lifespan=life)

def test_it(flash_client):
    pass
"""
FAILS_AT_THE_END = """
from contextlib import asynccontextmanager
import pytest
from fastapi import FastAPI

@asynccontextmanager
async def life(app):
    yield
    1 / 0

@pytest.fixture(scope="session")
def flash_app(flash_session):
    return FastAPI(lifespan=life)

def test_it(flash_client):
    pass
"""
MANY = """
import time
import pytest

@pytest.mark.parametrize("x", range(1000))
def test_it(flash_client, x):
    assert flash_client.get(f"/double/{x}").json()["value"] == 2 * x

def test_the_rest():
    time.sleep(600)
"""
STAYS = """
import pathlib, time

def test_it(flash_client):
    flash_client.get("/double/1")
    pathlib.Path("ready").touch()
    time.sleep(600)
"""
OPEN = ("stream", "async", "sync", "thread", "pool", "job")


def with_app(project: Project) -> Project:
    """The project with an app whose requests hang in every way."""
    project.write("main.py", APP)
    project.write("arrival.py", ARRIVAL)
    return project


def reported(project: Project, *arguments: str) -> InnerRun:
    """A run of a project's tests that measures their coverage, if that is installed."""
    measured = ("--cov=main",) if "pytest_cov" in project.python.modules else ()
    return project.report(*measured, *arguments)


@pytest.fixture(scope="module")
def alone(shared_project: Project) -> InnerRun:
    """A run at whose end requests hang in every way."""
    with_app(shared_project)
    shared_project.write("test_hung.py", HUNG_THREADS)
    for name in OPEN:
        shared_project.write(f"test_{name}.py", LEAVES_OPEN.format(name=name))
    # Jobs that linger take workers away, so they come last.
    return reported(shared_project, "test_hung.py", *(f"test_{name}.py" for name in OPEN))


@pytest.fixture(scope="module")
def lifespans(new_project: NewProject) -> InnerRun:
    """A run with two apps whose lifespans fail."""
    project = with_app(new_project())
    project.write("test_first.py", "def test_it(flash_session): pass\n")
    project.write("test_hangs.py", HANGS_AT_THE_START)
    project.write("test_last.py", FAILS_AT_THE_END)
    return project.report()


@pytest.mark.parametrize("path", [f"/{name}" for name in OPEN])
def test_a_session_ends_whatever_is_still_open(request: pytest.FixtureRequest, path: str) -> None:
    name = path.removeprefix("/")
    if request.config.getoption("soak"):
        project: Project = with_app(request.getfixturevalue("project"))
        project.write(f"test_{name}.py", LEAVES_OPEN.format(name=name))
        run = project.report()
    else:
        project, run = map(request.getfixturevalue, ("shared_project", "alone"))
    run.check(f"test_{name}", passed=1)
    assert (project.folder / "ended").exists()


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["alone", "xdist"])
def test_a_hung_thread_takes_no_report_along(
    request: pytest.FixtureRequest, workers: tuple[str, ...]
) -> None:
    project: Project = request.getfixturevalue("project" if workers else "shared_project")
    if workers:
        with_app(project).write("test_hung.py", HUNG_THREADS)
        run = reported(project, *workers)
    else:
        run = request.getfixturevalue("alone")
    run.check("test_hung", passed=1, failed=1)
    assert run.result.ret == pytest.ExitCode.TESTS_FAILED
    project.python.need("pytest_cov")
    run.result.stdout.fnmatch_lines(["main.py *%"])
    assert (project.folder / ".coverage").exists()


def test_a_lifespan_that_hangs_in_a_thread(lifespans: InnerRun) -> None:
    lifespans.check("test_first", passed=1)
    lifespans.check("test_hangs", errors=1)
    lifespans.result.stdout.fnmatch_lines(["the app did not start within 1 s: *"])


def test_a_lifespan_that_fails_at_the_end_is_an_error(lifespans: InnerRun) -> None:
    # In pytest's report an error after a test takes the place of the test, in some versions.
    lifespans.result.assert_outcomes(passed=2, errors=2)
    assert "ZeroDivisionError" in lifespans.failure("ERROR at teardown of test_it")


@pytest.mark.parametrize(
    ("number", "to_all", "first", "many"),
    [
        (signal.SIGINT, False, 0, 30),
        (signal.SIGINT, True, 1, 30),
        (signal.SIGTERM, False, 1, 12),
        (signal.SIGHUP, True, 0, 12),
    ],
    ids=["interrupted", "ctrl-c", "terminated", "terminal-closed"],
)
def test_a_signal_at_any_moment_leaves_nothing(
    project: Project,
    request: pytest.FixtureRequest,
    account: Account,
    variables: dict[str, str],
    number: signal.Signals,
    to_all: bool,
    first: int,
    many: int,
) -> None:
    with_app(project)
    project.write("test_app.py", MANY)
    chance = random.Random(number + to_all)
    soak = request.config.getoption("soak")
    for n in range(first, first + (many if soak else 1)):
        live, workers = n % 2 == 1, ("-n2",) if n % 4 >= 2 else ()
        options = ("--flash-live",) if live else ()
        run = project.start(*options, *workers, env=variables if live else {}, fresh=True)
        after = chance.uniform(0.3, 8.0 if soak else 4.0)
        with ending(run):
            end(run, number, to_all=to_all, after=after)
        if number is signal.SIGINT:
            assert account.endpoints() == [], (n, after)
        else:
            what = f"the end of the endpoints: {n}, {after}"
            wait_until(lambda: account.endpoints() == [], 120, what)


def end(run: Run, number: signal.Signals, *, to_all: bool, after: float) -> None:
    """Send ``number`` after some seconds, and wait for the end of the run and all it started."""
    with pytest.raises(subprocess.TimeoutExpired):
        run.wait(after)
    tree = descendants(run.pid)
    # As a terminal does, or as ``kill``.
    (os.killpg if to_all else os.kill)(run.pid, number)
    run.wait(120)
    wait_gone(tree, 120)


def test_keeping_outlives_ctrl_c(
    project: Project, account: Account, variables: dict[str, str]
) -> None:
    with_app(project).write("test_app.py", STAYS)
    with project.under_way("--flash-live", "--flash-keep", env=variables) as run:
        run.send_signal(signal.SIGINT)
        assert run.wait(60) == 2
    assert [each.name for each in account.endpoints()] == ["live-gpu"]
