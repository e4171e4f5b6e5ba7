"""When the plugin starts something, what it imports, and what it leaves."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

import pytest

from tests.support.environment import ROOT
from tests.support.pytest_runs.downstream import Project
from tests.support.pytest_runs.inner_run import InnerRun
from tests.support.system.processes import Process, descendants, wait_gone

USES_IT = """
def test_it(flash_client):
    assert flash_client.get("/double/1").json()["value"] == 2
"""
STAYS = """
import pathlib, time

def test_it(flash_client):
    assert flash_client.get("/double/1").json()["value"] == 2
    pathlib.Path("ready").touch()
    time.sleep(600)
"""


@pytest.mark.parametrize("option", ["--collect-only", "--setup-plan"])
def test_nothing_starts_when_nothing_runs(project: Project, option: str) -> None:
    project.write("test_app.py", USES_IT)
    assert project.pytest(option).ret == 0
    assert project.hosts() == set()


def test_nothing_starts_when_no_test_asks(project: Project, passes: Callable[..., None]) -> None:
    project.write(
        "test_app.py",
        """
        import sys

        def test_it():
            assert not {"fastapi", "uvicorn", "httpx", "pydantic"} & set(sys.modules)
        """,
    )
    passes(project.pytest(fresh=True), passed=1)
    assert project.hosts() == set()


def test_the_plugin_can_be_turned_off(
    project: Project, in_process: Callable[..., pytest.RunResult]
) -> None:
    project.write("test_app.py", USES_IT)
    result = in_process("-p", "no:flash")
    assert "fixture 'flash_client' not found" in "\n".join(result.outlines)


@pytest.mark.parametrize(
    ("number", "leaves"),
    [(signal.SIGINT, 2), (signal.SIGTERM, -15), (signal.SIGHUP, -1), (signal.SIGKILL, -9)],
)
def test_a_run_that_is_ended_leaves_no_process(
    project: Project, number: signal.Signals, leaves: int
) -> None:
    project.write("test_app.py", STAYS)
    with project.under_way() as run:
        tree = descendants(run.pid)
        assert len(tree) >= 3  # pytest, the emulator and a worker.
        run.send_signal(number)
        assert run.wait(60) == leaves
        wait_gone(tree, 60)


FINDER = """
import sys, threading

threads = []

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "pytest_flash.testing.session":
            threads.append(threading.current_thread())

sys.meta_path.insert(0, Finder())
"""

IMPORTS = """
import threading
from conftest import threads

def test_it(flash_session):
    (thread,) = threads
    assert thread is not threading.main_thread()
"""
STARTS = """
import dataclasses, json, os, pathlib
from tests.support.system.processes import descendants

def test_it(flash_client):
    assert flash_client.get("/double/1").json()["value"] == 2
    started = [dataclasses.asdict(each) for each in descendants(os.getpid())]
    pathlib.Path("started.json").write_text(json.dumps(started))
"""


@pytest.fixture(scope="module")
def finished(shared_project: Project) -> InnerRun:
    """A run in a new interpreter, to its end; its processes are in ``started.json``."""
    shared_project.write("pytest.ini", f"[pytest]\nfilterwarnings = error\npythonpath = {ROOT}\n")
    shared_project.write("conftest.py", FINDER)
    shared_project.write("test_imports.py", IMPORTS)
    shared_project.write("test_starts.py", STARTS)
    return shared_project.report(fresh=True)


def test_what_is_heavy_is_not_imported_where_ctrl_c_interrupts(finished: InnerRun) -> None:
    finished.check("test_imports", passed=1)


def test_a_finished_run_leaves_no_process(finished: InnerRun, shared_project: Project) -> None:
    assert finished.result.ret == pytest.ExitCode.OK, finished.text
    started = json.loads((shared_project.folder / "started.json").read_text())
    assert len(started) >= 3  # pytest, the emulator and a worker.
    wait_gone({Process(**each) for each in started}, 60)
