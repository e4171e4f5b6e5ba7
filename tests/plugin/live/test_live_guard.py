"""No request reaches the cloud unless the command line of pytest says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.pytest_runs.downstream import NewProject, Project
from tests.support.pytest_runs.inner_run import InnerRun

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
KEY = {"RUNPOD_API_KEY": "a-key-that-must-not-be-used"}

CALL = """
import asyncio
import main

def test_it(flash_endpoints):
    assert asyncio.run(main.double(2))["value"] == 4
"""

SUBPROCESS = """
import subprocess, sys

def test_it():
    program = "import asyncio, main; asyncio.run(main.double(2))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert "LiveRefusedError" in done.stderr
"""

FLASH_RUN = """
import subprocess, sys

def test_it():
    command = [sys.executable, "-m", "flash_cli", "run", "--port", "0", "--auto-provision"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done
    assert "--emulator" in done.stderr
"""

WITHOUT_PLUGIN = """
import asyncio
import pytest
import main
from pytest_flash.errors import LiveRefusedError

def test_it():
    with pytest.raises(LiveRefusedError, match="--flash-live"):
        asyncio.run(main.double(2))
"""

CLEARED = """
import asyncio, os
from unittest import mock
import pytest
import main
from pytest_flash.errors import LiveRefusedError, NoTargetError

def test_it():
    with mock.patch.dict(os.environ, {"RUNPOD_API_KEY": "k"}, clear=True):
        with pytest.raises(LiveRefusedError):
            asyncio.run(main.double(2))

def test_again(monkeypatch):
    monkeypatch.delenv("RUNPOD_API_KEY")
    with pytest.raises(NoTargetError):
        asyncio.run(main.double(2))
"""


@pytest.fixture(scope="module")
def keyed(shared_project: Project) -> InnerRun:
    """A run with a key in its environment, which connected to nothing but this machine."""
    files = {"test_call.py": CALL, "test_subprocess.py": SUBPROCESS, "test_run.py": FLASH_RUN}
    for name, source in files.items():
        shared_project.write(name, source)
    run = shared_project.report(env=KEY)
    assert {"127.0.0.1"} <= shared_project.hosts() <= LOOPBACK, run.text
    return run


@pytest.fixture(scope="module")
def unplugged(new_project: NewProject) -> InnerRun:
    """A run with a key and without our plugin, which connected to nothing."""
    project = new_project()
    project.write("test_without.py", WITHOUT_PLUGIN)
    project.write("test_cleared.py", CLEARED)
    run = project.report("-p", "no:flash", env=KEY)
    assert project.hosts() == set(), run.text
    return run


def test_a_key_in_the_environment_changes_nothing(keyed: InnerRun) -> None:
    keyed.check("test_call", passed=1)


def test_a_key_and_redirection_in_dotenv_change_nothing(
    project: Project, passes: Callable[..., None]
) -> None:
    project.write(
        ".env",
        "RUNPOD_API_KEY=k\nRUNPOD_API_BASE_URL=https://api.example.com\n"
        "RUNPOD_ENDPOINT_BASE_URL=https://queue.example.com\n",
    )
    project.write("test_app.py", CALL)
    passes(project.pytest(), passed=1)
    assert project.hosts() <= LOOPBACK


def test_without_the_plugin_a_call_is_refused(unplugged: InnerRun) -> None:
    unplugged.check("test_without", passed=1)


def test_clearing_the_environment_is_no_way_round(unplugged: InnerRun) -> None:
    unplugged.check("test_cleared", passed=2)


def test_a_subprocess_of_a_test_is_refused(keyed: InnerRun) -> None:
    keyed.check("test_subprocess", passed=1)


def test_flash_run_from_a_test_is_refused(keyed: InnerRun) -> None:
    keyed.check("test_run", passed=1)


@pytest.mark.parametrize("where", ["ini", "variable"])
def test_live_counts_on_the_command_line_only(project: Project, where: str) -> None:
    project.write("test_app.py", CALL)
    variables = dict(KEY)
    if where == "ini":
        project.write("pytest.ini", "[pytest]\naddopts = --flash-live\n")
    else:
        variables["PYTEST_ADDOPTS"] = "--flash-live"
    result = project.pytest(env=variables)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--flash-live spends money" in "\n".join(result.errlines)
    assert project.hosts() <= LOOPBACK


def test_live_without_a_key_says_where_it_looked(
    project: Project, in_process: Callable[..., pytest.RunResult]
) -> None:
    project.write("test_app.py", CALL)
    result = in_process("--flash-live")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    looked = f"in the environment, nor in {project.folder / '.env'} (no such file)"
    assert f"no RUNPOD_API_KEY {looked}" in "\n".join(result.errlines)


def test_the_guard_sees_a_connection(project: Project) -> None:
    connect = "socket.socket().connect_ex(('192.0.2.1', 9))"
    project.write(
        "test_app.py",
        f"""
        import subprocess, sys

        def test_it():
            program = "import socket; socket.setdefaulttimeout(0.1); {connect}"
            subprocess.run([sys.executable, "-c", program])
        """,
    )
    project.pytest()
    assert "192.0.2.1" in project.hosts()
