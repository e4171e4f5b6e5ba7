"""A pytest run reaches no cloud either by what outlives it, or by what it starts bare.

The runs are below no other: this one, above them, would be reason enough to refuse.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.environment import clean_environment
from tests.support.pytest_runs.downstream import PLAIN
from tests.support.system.detached import run_detached

KEY = "a-key-that-must-not-be-used"

CALL = """
import asyncio, sys
from pytest_flash import CpuLiveServerless, remote

@remote(CpuLiveServerless(name="double"))
def double(x):
    return 2 * x

def outcome():
    try:
        return str(asyncio.run(double(2)))
    except Exception as error:
        return type(error).__name__
"""

# As CALL, without what only a call imports.
OPEN = """
from pytest_flash.settings import read_process_environment
from pytest_flash.target import open_plain

def outcome():
    try:
        return repr(open_plain(read_process_environment()))
    except Exception as error:
        return type(error).__name__
"""

# Each way ends in a process whose environment holds the key and nothing of pytest.
BARE = """
import os, subprocess, sys
import pytest

BARE = {"RUNPOD_API_KEY": "THE-KEY", "PATH": os.environ["PATH"], "PYTHONPATH": os.getcwd()}
PROGRAM = "import call; print(call.outcome())"
SPAWNED = '''
import multiprocessing, call
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(call.outcome))
'''

@pytest.mark.parametrize("command", [
    [sys.executable, "-c", PROGRAM],
    ["sh", "-c", f"'{sys.executable}' -c '{PROGRAM}'; true"],
    [sys.executable, "-c",
     f"import subprocess, sys; subprocess.run([sys.executable, '-c', {PROGRAM!r}], check=True)"],
    [sys.executable, "spawned.py"],
])
def test_a_subprocess(command):
    with open("spawned.py", "w") as file:
        file.write(SPAWNED)
    done = subprocess.run(command, env=BARE, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["LiveRefusedError"], done
"""

THREAD = """
import os, threading, time
import call
import pytest_flash.session  # Once Python ends, it imports no thread pools any more.

def later():
    deadline = time.monotonic() + 30
    while "PYTEST_VERSION" in os.environ and time.monotonic() < deadline:
        time.sleep(0.005)
    with open("outcome", "w") as file:
        file.write(f"{'PYTEST_VERSION' in os.environ} {call.outcome()}")

def test_begins_a_thread():
    threading.Thread(target=later).start()
"""


def run(project: Any, folder: Path, *arguments: str) -> str:
    command = [project.python.path, "-m", "pytest", *PLAIN, *arguments]
    environment = clean_environment(RUNPOD_API_KEY=KEY)
    return run_detached(command, folder, cwd=project.folder, env=environment)


@pytest.fixture
def called(project: Any) -> Any:
    project.write("call.py", CALL)
    return project


def test_subprocesses_with_a_bare_environment_are_refused(called: Any, tmp_path: Path) -> None:
    called.write("call.py", OPEN)
    called.write("test_bare.py", BARE.replace("THE-KEY", KEY))
    assert "4 passed" in run(called, tmp_path / "run", "-p", "no:flash")


def test_a_thread_that_outlives_the_run_is_refused(called: Any, tmp_path: Path) -> None:
    called.write("test_thread.py", THREAD)
    assert "1 passed" in run(called, tmp_path / "run")
    assert (called.folder / "outcome").read_text() == "False LiveRefusedError"


def test_a_program_that_has_run_pytest_is_refused(called: Any, tmp_path: Path) -> None:
    called.write("test_it.py", "def test_it(): pass\n")
    called.write(
        "program.py",
        "import os, pytest\n"
        "pytest.main(['-q', '-p', 'no:flash', 'test_it.py'])\n"
        "import call\n"
        "print('PYTEST_VERSION' in os.environ, call.outcome())\n",
    )
    environment = clean_environment(RUNPOD_API_KEY=KEY)
    command = [called.python.path, "program.py"]
    printed = run_detached(command, tmp_path / "run", cwd=called.folder, env=environment)
    assert printed.splitlines()[-1] == "False LiveRefusedError"
