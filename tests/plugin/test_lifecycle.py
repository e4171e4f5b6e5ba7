"""When the plugin starts something, what it imports, and what it leaves."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.processes import descendants, wait_gone, wait_until

Passes = Callable[..., None]
USES_IT = (
    "def test_it(flash_client):\n    assert flash_client.get('/double/1').json()['value'] == 2\n"
)


@pytest.mark.parametrize("option", ["--collect-only", "--setup-plan"])
def test_nothing_starts_when_nothing_runs(project: Any, option: str) -> None:
    project.write("test_app.py", USES_IT)
    assert project.pytest(option).ret == 0
    assert project.hosts() == set()


def test_nothing_starts_when_no_test_asks(project: Any, passes: Passes) -> None:
    project.write(
        "test_app.py",
        "import sys\ndef test_it():\n"
        "    assert not {'fastapi', 'uvicorn', 'httpx', 'pydantic'} & set(sys.modules)\n",
    )
    passes(project.pytest(), passed=1)
    assert project.hosts() == set()


def test_the_plugin_can_be_turned_off(project: Any) -> None:
    project.write("test_app.py", USES_IT)
    result = project.pytest("-p", "no:flash")
    assert "fixture 'flash_client' not found" in "\n".join(result.outlines)


@pytest.mark.parametrize(
    ("number", "leaves"),
    [(signal.SIGINT, 2), (signal.SIGTERM, -15), (signal.SIGHUP, -1), (signal.SIGKILL, -9)],
)
def test_a_run_that_is_ended_leaves_no_process(
    project: Any, number: signal.Signals, leaves: int
) -> None:
    project.write(
        "test_app.py",
        "import time\ndef test_it(flash_client):\n"
        "    assert flash_client.get('/double/1').json()['value'] == 2\n"
        "    open('ready', 'w').close()\n    time.sleep(600)\n",
    )
    run = project.start()
    try:
        wait_until((project.folder / "ready").exists, 60, "the test to be under way")
        tree = descendants(run.pid)
        assert len(tree) >= 3  # pytest, the emulator and a worker.
        run.send_signal(number)
        assert run.wait(30) == leaves
        wait_gone(tree, 10)
    finally:
        run.kill()
        run.wait()


def test_what_is_heavy_is_not_imported_where_ctrl_c_interrupts(
    project: Any, passes: Passes
) -> None:
    project.write(
        "conftest.py",
        """
import sys, threading

threads = []

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "pytest_flash.testing.session":
            threads.append(threading.current_thread())

sys.meta_path.insert(0, Finder())
""",
    )
    project.write(
        "test_app.py",
        "import threading\nfrom conftest import threads\n"
        "def test_it(flash_session):\n"
        "    (thread,) = threads\n    assert thread is not threading.main_thread()\n",
    )
    passes(project.pytest(), passed=1)


def test_a_finished_run_leaves_no_process(project: Any) -> None:
    project.write(
        "test_app.py",
        "import json, os\nfrom tests.support.processes import descendants\n"
        "def test_it(flash_client):\n"
        "    assert flash_client.get('/double/1').json()['value'] == 2\n"
        "    pids = [each.pid for each in descendants(os.getpid())]\n"
        "    json.dump(pids, open('pids.json', 'w'))\n",
    )
    root = os.fspath(__file__).partition("/tests/")[0]
    project.write("pytest.ini", f"[pytest]\npythonpath = {root}\n")
    result = project.pytest()
    assert result.ret == 0, "\n".join(result.outlines)
    pids = json.loads((project.folder / "pids.json").read_text())
    assert len(pids) >= 3
    wait_until(lambda: not any(alive(pid) for pid in pids), 10, "the end of every process")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
