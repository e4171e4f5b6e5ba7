"""pytest-xdist: one emulator and one provisioning for a run, however it ends."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_flash.runpod import Endpoint
from pytest_flash.settings import MANAGEMENT_URL
from tests.support.processes import Process, descendants, wait_gone, wait_until
from tests.support.relay import relaying

Passes = Callable[..., None]
Endpoints = Callable[[], list[Endpoint]]

APP = """\
from fastapi import FastAPI
from pytest_flash import CpuLiveServerless, LiveServerless, remote

app = FastAPI()

@remote(LiveServerless(name="gpu"))
def double(x):
    return x * 2

@remote(CpuLiveServerless(name="cpu"))
def triple(x):
    return x * 3

@app.get("/{x}")
async def both(x: int):
    return [await double(x), await triple(x)]
"""

MANY = """
import pytest

@pytest.mark.parametrize("x", range(8))
def test_it(flash_client, x):
    assert flash_client.get(f"/{x}").json() == [2 * x, 3 * x]
"""

LOGS = """
import dataclasses, pathlib, pytest

@pytest.fixture(scope="session")
def flash_config(flash_config):
    return dataclasses.replace(flash_config, emulator_log=pathlib.Path("emulator.log").resolve())
"""


def text(result: pytest.RunResult) -> str:
    return "\n".join([*result.outlines, *result.errlines])


def log(project: Any) -> str:
    """What the emulators of the project's runs have written down."""
    path: Path = project.folder / "emulator.log"
    return path.read_text() if path.exists() else ""


def emulators(project: Any) -> list[int]:
    """The process ids of the emulators that have served."""
    return [int(pid) for pid in re.findall(r"process (\d+), serves at", log(project))]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(autouse=True)
def app(project: Any) -> None:
    """An app with two endpoints, whose emulators keep a log."""
    project.write("main.py", APP)
    project.write("conftest.py", LOGS)


def test_four_workers_share_one_emulator_and_one_provisioning(project: Any, passes: Passes) -> None:
    project.write("test_app.py", MANY)
    result = project.pytest("-n4")
    passes(result, passed=8)
    assert len(emulators(project)) == 1
    created = sorted(re.findall(r"endpoint (\S+) \(\w+\) created", log(project)))
    assert created == ["live-cpu", "live-gpu"]
    # Jobs of every worker are counted, endpoints once.
    assert "16 jobs, 0 failed" in text(result)
    assert text(result).count("live-gpu: created") == 1


@pytest.mark.parametrize(
    ("distribution", "tests"), [("loadscope", 8), ("worksteal", 8), ("each", 16)]
)
def test_tests_may_be_distributed_in_any_way(
    project: Any, passes: Passes, distribution: str, tests: int
) -> None:
    project.write("test_app.py", MANY)
    result = project.pytest("-n2", f"--dist={distribution}")
    passes(result, passed=tests)
    assert len(emulators(project)) == 1
    assert f"{2 * tests} jobs, 0 failed" in text(result)


def test_what_a_test_leaves_is_cancelled_and_no_other_tests_jobs(
    project: Any, passes: Passes
) -> None:
    project.write(
        "waits.py",
        """
import pathlib, time
from pytest_flash import LiveServerless, remote

HERE = pathlib.Path(__file__).parent

@remote(LiveServerless(name="gpu"))
def until(path):
    import pathlib, time
    while not pathlib.Path(path).exists():
        time.sleep(0.02)
    return "there"
""",
    )
    project.write(
        "test_waits.py",
        """
import asyncio
from waits import HERE, until

def test_waits(flash_endpoints):
    async def wait():
        handle = await until.spawn(str(HERE / "left"))
        (HERE / "waits").touch()
        return await handle.result()
    assert asyncio.run(wait()) == "there"
""",
    )
    project.write(
        "test_leaves.py",
        """
import asyncio, time
from waits import HERE, until

def test_leaves(flash_endpoints, flash_jobs):
    deadline = time.monotonic() + 90
    while not (HERE / "waits").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    asyncio.run(until.spawn(str(HERE / "never")))
    assert len(flash_jobs.unfinished) == 1

def test_after(flash_endpoints):
    (HERE / "left").touch()
""",
    )
    result = project.pytest("-n2", "--dist=loadfile")
    passes(result, passed=3)
    assert "2 jobs, 1 failed" in text(result)


def test_four_workers_share_one_provisioning_live(
    project: Any, passes: Passes, variables: dict[str, str], endpoints: Endpoints
) -> None:
    project.write("test_app.py", MANY)
    with relaying(variables[MANAGEMENT_URL]) as relay:
        variables = {**variables, MANAGEMENT_URL: relay.url}
        passes(project.pytest("-n4", "--flash-live", **variables), passed=8)
        assert (relay.count("POST"), relay.count("DELETE")) == (2, 2)
    assert endpoints() == []


@pytest.mark.parametrize("option", ["--collect-only", "--setup-plan"])
def test_nothing_starts_when_nothing_runs(project: Any, option: str) -> None:
    project.write("test_app.py", MANY)
    assert project.pytest("-n2", option).ret == 0
    assert log(project) == ""


def test_nothing_starts_when_no_test_asks(project: Any, passes: Passes) -> None:
    project.write("test_app.py", "def test_it():\n    pass\n")
    passes(project.pytest("-n2"), passed=1)
    assert log(project) == ""


def test_provisioning_that_failed_is_not_tried_again(
    project: Any, variables: dict[str, str]
) -> None:
    project.write("test_app.py", MANY)
    with relaying(variables[MANAGEMENT_URL]) as relay:
        variables = {**variables, MANAGEMENT_URL: relay.url}
        result = project.pytest(
            "-n2", "--flash-live", "--flash-max-endpoints=1", "--reruns=2", **variables
        )
        assert relay.count("POST") == 0
        # One look at the account, and one in search of what an earlier run left, at the most.
        assert relay.count("GET") <= 2
    assert result.ret != 0
    assert "the limit is 1" in text(result)


@pytest.mark.parametrize("reruns", [(), ("--reruns=3",)], ids=["once", "reruns"])
def test_an_emulator_that_does_not_start_is_not_started_again(
    project: Any, reruns: tuple[str, ...]
) -> None:
    project.write("pyproject.toml", "[tool.flash.emulator]\nnonsense = 1\n")
    project.write("test_app.py", MANY)
    result = project.pytest("-n2", *reruns)
    assert result.ret == 1
    assert "the emulator did not start" in text(result)
    assert log(project).count("unknown key") == 1


def test_a_crashed_worker_ends_neither_the_emulator_nor_the_run(
    project: Any, passes: Passes
) -> None:
    crash = "\ndef test_crash(flash_client):\n    import os\n    os._exit(1)\n"
    project.write("test_app.py", MANY + crash)
    result = project.pytest("-n2")
    passes(result, passed=8, failed=1)
    assert len(emulators(project)) == 1
    wait_until(lambda: not any(map(alive, emulators(project))), 5, "the end of the emulator")


def test_the_first_failure_ends_everything(project: Any) -> None:
    project.write(
        "test_app.py",
        MANY + "\ndef test_fails(flash_client):\n    assert False\n\ndef test_pids():\n    pass\n",
    )
    result = project.pytest("-n2", "-x")
    assert result.ret != 0
    assert "failed" in result.outlines[-1]
    assert len(emulators(project)) == 1
    wait_until(lambda: not any(map(alive, emulators(project))), 5, "the end of the emulator")


HANGS = """
import time, pytest

@pytest.mark.parametrize("n", range(2))
def test_it(flash_client, n):
    flash_client.get("/1")
    open(f"ready{n}", "w").close()
    try:
        time.sleep(600)
    except KeyboardInterrupt:
        open(f"interrupted{n}", "w").close()
        raise
"""


@contextlib.contextmanager
def hanging(
    project: Any, *options: str, **variables: str
) -> Iterator[tuple[subprocess.Popen[bytes], set[Process], set[Process]]]:
    """A run of two workers in the midst of their tests, they, and what else it has started."""
    project.write("test_app.py", HANGS)
    run = project.start("-n2", *options, **variables)
    try:
        for n in range(2):
            wait_until((project.folder / f"ready{n}").exists, 60, "the test to be under way")
        tree = descendants(run.pid)
        workers = {each for each in tree if "exec(eval(" in each.command}
        assert len(workers) == 2
        yield run, workers, tree - workers
    finally:
        run.kill()
        run.wait()


@pytest.mark.parametrize(
    ("number", "leaves"), [(signal.SIGINT, 2), (signal.SIGTERM, -15), (signal.SIGKILL, -9)]
)
def test_a_run_that_is_ended_leaves_no_process(
    project: Any, number: signal.Signals, leaves: int
) -> None:
    with hanging(project) as (run, workers, others):
        run.send_signal(number)
        if number is not signal.SIGINT:
            wait_gone(others, 3)
            for n in range(2):
                # execnet would do so 5 s after it lost its controller.
                wait_until((project.folder / f"interrupted{n}").exists, 4, "the test's end")
        assert run.wait(30) == leaves
        wait_gone(workers | others, 30)


def test_a_closed_terminal_leaves_no_process(project: Any) -> None:
    with hanging(project) as (run, workers, others):
        os.killpg(run.pid, signal.SIGHUP)
        wait_gone(workers | others, 3)
        assert run.wait() == -signal.SIGHUP


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_a_killed_run_created_live_is_deleted(
    project: Any, variables: dict[str, str], endpoints: Endpoints, number: signal.Signals
) -> None:
    with hanging(project, "--flash-live", **variables) as (run, workers, others):
        assert len(endpoints()) == 2
        run.send_signal(number)
        wait_until(lambda: endpoints() == [], 30, "the end of the endpoints")
        wait_gone(workers | others, 30)


def test_interrupting_the_whole_group_deletes_what_was_created_live(
    project: Any, variables: dict[str, str], endpoints: Endpoints
) -> None:
    project.write(
        "test_app.py",
        "import time\ndef test_it(flash_client):\n    flash_client.get('/1')\n"
        "    open('ready', 'w').close()\n    time.sleep(600)\n",
    )
    run = project.start("-n2", "--flash-live", **variables)
    try:
        wait_until((project.folder / "ready").exists, 60, "the test to be under way")
        tree = descendants(run.pid)
        os.killpg(run.pid, signal.SIGINT)  # As a terminal does.
        assert run.wait(30) == 2
        wait_gone(tree, 10)
    finally:
        run.kill()
        run.wait()
    assert json.dumps([each.name for each in endpoints()]) == "[]"
