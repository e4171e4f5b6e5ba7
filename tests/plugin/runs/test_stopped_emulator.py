"""A run whose emulator is stopped, by SIGSTOP or a debugger, goes on and says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Passes = Callable[..., None]

APP = """\
from fastapi import FastAPI
from pytest_flash import LiveServerless, remote

app = FastAPI()

@remote(LiveServerless(name="gpu", executionTimeoutMs=5_000))
def linger():
    import time
    time.sleep(600)

@app.get("/")
async def index():
    return 1
"""

TESTS = """\
import asyncio, os, pathlib, signal
import main

def emulator():
    for each in pathlib.Path("/proc").iterdir():
        if each.name.isdigit():
            command = each / "cmdline"
            try:
                if b"pytest_flash.emulator" in command.read_bytes() and RUN in ancestors(each.name):
                    return int(each.name)
            except OSError:
                continue

def ancestors(pid):
    while pid != "0":
        pid = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
        yield pid

# The process of the run: this one, or the controlling one.
RUN = str(os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid())

def test_stops_it(flash_client):
    asyncio.run(main.linger.spawn())
    os.kill(emulator(), signal.SIGSTOP)
    assert False

def test_plain_routes_are_served(flash_client):
    assert flash_client.get("/").json() == 1

def test_a_call_fails(flash_endpoints):
    asyncio.run(main.linger())

def test_of_something_else():
    pass
"""


def test_a_run_with_a_stopped_emulator_ends(
    project: Any, passes: Passes, request: pytest.FixtureRequest
) -> None:
    project.write("main.py", APP)
    project.write("test_app.py", TESTS)
    # The same once more over the broker.
    for workers in [(), ("-n1",)] if request.config.getoption("soak") else [()]:
        ends(project.pytest("--flash-startup-timeout=5", *workers), passes)


def ends(result: pytest.RunResult, passes: Passes) -> None:
    passes(result, passed=2, failed=2)
    text = "\n".join(result.outlines)
    # In both reports: of the test that stopped it, and of the one whose call had no answer.
    assert text.count("-- flash: the embedded Runpod --") == 2
    assert "EmulatorError: linger" in text
    assert "is stopped, by SIGSTOP or a debugger" in text
