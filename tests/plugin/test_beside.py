"""Beside other plugins: pytest-cov, pytest-rerunfailures, pytest-timeout, and without them."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.support.pytest_runs.downstream import ANYIO, Project
from tests.support.pytest_runs.inner_run import InnerRun
from tests.support.system.processes import descendants, wait_gone, wait_until

Passes = Callable[..., None]

CALLS = """
def test_it(flash_client):
    assert flash_client.get("/double/1").json()["value"] == 2
"""
ASKS = """
def test_it(flash_config):
    assert flash_config.app is None
"""
OTHERS = ("xdist", "pytest_cov", "rerunfailures", "timeout", "anyio")


@pytest.mark.parametrize("without", [OTHERS, *((name,) for name in OTHERS)])
def test_other_plugins_are_not_needed(
    request: pytest.FixtureRequest, project: Project, passes: Passes, without: tuple[str, ...]
) -> None:
    """All of them missing; each alone with a call only where there is time."""
    calls = without == OTHERS or request.config.getoption("soak")
    project.write("test_app.py", CALLS if calls else ASKS)
    loaded = () if "anyio" in without else ANYIO
    blocked = [f"-pno:{name}" for name in without]
    passes(project.pytest(*loaded, *blocked, fresh=without == OTHERS), passed=1)


RERUNS = """
import pathlib, pytest

@pytest.mark.flaky(reruns=3)
def test_it(flash_client, flash_jobs):
    flash_client.get("/double/1")
    assert len(flash_jobs) == 1
    tries = pathlib.Path("tries")
    with tries.open("a") as file:
        file.write(flash_jobs[0].worker_id + " ")
    assert len(tries.read_text().split()) == 3
"""

HANGS = """
import asyncio, pathlib, threading, time
import pytest
from pytest_flash import LiveServerless, remote
from pytest_flash.errors import JobCancelledError

@remote(LiveServerless(name="gpu"))
def linger(started):
    import pathlib, time
    pathlib.Path(started).touch()
    time.sleep(600)

@pytest.fixture
def lingering(flash_client, flash_jobs):
    def call():
        with pytest.raises(JobCancelledError):
            asyncio.run(linger(str(pathlib.Path("started").absolute())))
    threading.Thread(target=call, daemon=True).start()
    # Runpod names a job after a second; "go" is made by whoever looks at the processes first.
    deadline = time.monotonic() + 60
    while not (
        pathlib.Path("started").exists() and flash_jobs[0].id and pathlib.Path("go").exists()
    ):
        assert time.monotonic() < deadline
        time.sleep(0.01)

@pytest.mark.timeout(1, method={method!r}, func_only=True)
def test_hangs(lingering):
    time.sleep(600)
"""

PATCHED_APP = """
from fastapi import FastAPI

app = FastAPI()
name = "till"

@app.get("/")
def index():
    return name
"""
PATCHED = """
import patched, pytest

@pytest.fixture(scope="session")
def flash_app():
    return patched.app

def test_patched(flash_client, monkeypatch):
    monkeypatch.setattr(patched, "name", "another")
    assert flash_client.get("/").json() == "another"

def test_restored(flash_client):
    assert flash_client.get("/").json() == "till"
"""


@pytest.fixture(scope="module")
def run(shared_project: Project) -> InnerRun:
    """A run beside those of the other plugins that are installed."""
    modules = shared_project.python.modules
    arguments = []
    sources = {"test_calls.py": CALLS, "test_patched.py": PATCHED}
    if "pytest_cov" in modules:
        arguments += ["--cov=main", "--cov-report=term-missing"]
    if "pytest_rerunfailures" in modules:
        sources["test_reruns.py"] = RERUNS
    if "pytest_timeout" in modules:
        arguments += ["--timeout=100"]
        sources["test_timeout.py"] = HANGS.format(method="signal")
    for name, source in {"patched.py": PATCHED_APP, "go": "", **sources}.items():
        shared_project.write(name, source)
    return shared_project.report(*arguments, *sources)


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["alone", "xdist"])
def test_the_apps_code_is_covered(
    request: pytest.FixtureRequest, project: Project, workers: tuple[str, ...]
) -> None:
    project.python.need("pytest_cov")
    if not workers:
        run: InnerRun = request.getfixturevalue("run")
    else:
        project.write("test_calls.py", CALLS)
        run = project.report("--cov=main", "--cov-report=term-missing", *workers)
    run.check("test_calls", passed=1)
    # The handler ran here, the function's own lines on a worker.
    (line,) = (each for each in run.result.outlines if each.startswith("main.py"))
    assert re.search(r"9-10$", line), line


def test_a_rerun_has_its_own_jobs_and_the_same_emulator(
    run: InnerRun, shared_project: Project
) -> None:
    shared_project.python.need("pytest_rerunfailures")
    assert run.outcomes["test_reruns"].keys() == {"passed"}
    assert "2 rerun" in run.result.outlines[-1]
    assert len(set((shared_project.folder / "tries").read_text().split())) == 1


def test_a_timeout_shows_where_it_hangs(run: InnerRun, shared_project: Project) -> None:
    shared_project.python.need("pytest_timeout")
    run.check("test_timeout", failed=1)
    shown = run.failure("test_hangs")
    assert "Timeout" in shown
    assert re.search(r"linger on live-gpu: job \S+ is IN_PROGRESS", shown)
    assert "in linger" in shown


def test_a_timeout_that_ends_the_process_leaves_none(project: Project) -> None:
    project.write("test_timeout.py", HANGS.format(method="thread"))
    run = project.start("--timeout=100")
    try:
        wait_until((project.folder / "started").exists, 100, "the function to run")
        tree = descendants(run.pid)
        assert len(tree) >= 3  # pytest, the emulator and a worker.
        project.write("go", "")
        assert run.wait(60) == 1
        wait_gone(tree, 30)
    finally:
        run.kill()
        run.wait()


def test_a_monkeypatched_app_module_is_what_handlers_see(run: InnerRun) -> None:
    run.check("test_patched", passed=2)
