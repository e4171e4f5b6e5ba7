"""How sessions end: with streams open, handlers and jobs hung, and by Ctrl-C at any moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

from pytest_flash.runpod import Endpoint
from tests.support.processes import descendants, wait_gone, wait_until

Passes = Callable[..., None]
Endpoints = Callable[[], list[Endpoint]]
ALONE_OR_NOT = pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])

APP = """\
import asyncio, pathlib, time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pytest_flash import LiveServerless, remote

@asynccontextmanager
async def life(app):
    pathlib.Path("began").write_text("yes")
    yield
    pathlib.Path("ended").write_text("yes")

app = FastAPI(lifespan=life)
pool = ThreadPoolExecutor(1)

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
        while True:
            yield b"x"
            await asyncio.sleep(0.05)
    return StreamingResponse(items())

@app.get("/async")
async def hung():
    await asyncio.sleep(600)

@app.get("/sync")
def stuck():
    time.sleep(600)

@app.get("/thread")
async def threaded():
    await asyncio.to_thread(time.sleep, 600)

@app.get("/pool")
async def pooled():
    await asyncio.get_running_loop().run_in_executor(pool, time.sleep, 600)

@app.get("/job")
async def job():
    return await linger()
"""


@pytest.mark.parametrize("path", ["/stream", "/async", "/sync", "/thread", "/pool", "/job"])
def test_a_session_ends_whatever_is_still_open(project: Any, passes: Passes, path: str) -> None:
    project.write("main.py", APP)
    project.write(
        "test_app.py",
        "import threading, httpx\n"
        "def test_it(flash_client, flash_server):\n"
        "    flash_client.get('/double/1')\n"
        "    begun = threading.Event()\n"
        "    def ask():\n"
        "        with httpx.Client(timeout=600, trust_env=False) as client:\n"
        f"            with client.stream('GET', flash_server.url + '{path}') as answer:\n"
        "                begun.set()\n"
        "                list(answer.iter_raw())\n"
        "    def quietly():\n"
        "        try: ask()\n"
        "        except httpx.HTTPError: pass\n"
        "    threading.Thread(target=quietly, daemon=True).start()\n"
        "    begun.wait(0.5)\n",
    )
    passes(project.pytest(timeout=60), passed=1)
    assert (project.folder / "ended").exists()


@ALONE_OR_NOT
def test_a_hung_thread_takes_no_report_along(
    project: Any, passes: Passes, workers: tuple[str, ...]
) -> None:
    project.write("main.py", APP)
    project.write(
        "test_app.py",
        "import httpx, pytest\n"
        "@pytest.mark.parametrize('n', range(2))\n"
        "def test_it(flash_client, n):\n"
        "    with pytest.raises(httpx.ReadTimeout):\n"
        "        flash_client.get(('/thread', '/sync')[n], timeout=0.1)\n"
        "    assert n\n",
    )
    result = project.pytest("--junitxml=report.xml", "--cov=main", *workers, timeout=60)
    passes(result, passed=1, failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["main.py *%"])
    (suite,) = ElementTree.parse(project.folder / "report.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "0")
    assert (project.folder / ".coverage").exists()


def test_a_lifespan_that_hangs_in_a_thread(project: Any, passes: Passes) -> None:
    hangs = "    await asyncio.to_thread(time.sleep, 600)\n    yield\n"
    project.write("main.py", APP.replace("    yield\n", hangs, 1))
    project.write("test_app.py", "def test_it(flash_client):\n    pass\n")
    result = project.pytest("--flash-startup-timeout=3", timeout=60)
    passes(result, errors=1)
    result.stdout.fnmatch_lines(["the app did not start within 3 s: *"])


def test_a_lifespan_that_fails_at_the_end_is_an_error(project: Any, passes: Passes) -> None:
    project.write("main.py", APP.replace('pathlib.Path("ended").write_text("yes")', "1 / 0"))
    project.write("test_app.py", "def test_it(flash_client):\n    pass\n")
    result = project.pytest()
    passes(result, passed=1, errors=1)
    assert "ZeroDivisionError" in "\n".join(result.outlines)


RUNS = """\
import time, pytest

@pytest.mark.parametrize("x", range(1000))
def test_it(flash_client, x):
    assert flash_client.get(f"/double/{x}").json()["value"] == 2 * x

def test_the_rest():
    time.sleep(600)
"""


@pytest.mark.parametrize(
    ("number", "to_all", "few", "many"),
    [
        (signal.SIGINT, False, 2, 30),
        (signal.SIGINT, True, 2, 30),
        (signal.SIGTERM, False, 2, 12),
        (signal.SIGHUP, True, 2, 12),
    ],
    ids=["interrupted", "ctrl-c", "terminated", "terminal-closed"],
)
def test_a_signal_at_any_moment_leaves_nothing(
    project: Any,
    request: pytest.FixtureRequest,
    variables: dict[str, str],
    endpoints: Endpoints,
    number: signal.Signals,
    to_all: bool,
    few: int,
    many: int,
) -> None:
    project.write("main.py", APP)
    project.write("test_app.py", RUNS)
    chance = random.Random(number + to_all)
    soak = request.config.getoption("soak")
    for n in range(many if soak else few):
        live, workers = n % 2 == 1, ("-n2",) if n % 4 >= 2 else ()
        options = ("--flash-live",) if live else ()
        run = project.start(*options, *workers, **(variables if live else {}))
        after = chance.uniform(0.3, 8.0 if soak else 4.0)
        try:
            end(run, number, to_all=to_all, after=after)
        finally:
            run.kill()
            run.wait()
        if number is signal.SIGINT:
            assert endpoints() == [], (n, after)
        else:
            wait_until(lambda: endpoints() == [], 60, f"the end of the endpoints: {n}, {after}")


def end(run: Any, number: signal.Signals, *, to_all: bool, after: float) -> None:
    """Send ``number`` after some seconds, and wait for the end of the run and all it started."""
    with pytest.raises(subprocess.TimeoutExpired):
        run.wait(after)
    tree = descendants(run.pid)
    # As a terminal does, or as ``kill``.
    (os.killpg if to_all else os.kill)(run.pid, number)
    run.wait(60)
    wait_gone(tree, 60 if number is not signal.SIGINT else 30)


def test_keeping_outlives_ctrl_c(
    project: Any, variables: dict[str, str], endpoints: Endpoints
) -> None:
    project.write("main.py", APP)
    project.write(
        "test_app.py",
        "import time\ndef test_it(flash_client):\n    flash_client.get('/double/1')\n"
        "    open('ready', 'w').close()\n    time.sleep(600)\n",
    )
    run = project.start("--flash-live", "--flash-keep", **variables)
    try:
        wait_until((project.folder / "ready").exists, 60, "the test to be under way")
        run.send_signal(signal.SIGINT)
        assert run.wait(30) == 2
    finally:
        run.kill()
        run.wait()
    assert [each.name for each in endpoints()] == ["live-gpu"]
