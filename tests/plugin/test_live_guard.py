"""No request reaches the cloud unless the command line of pytest says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
KEY = {"RUNPOD_API_KEY": "a-key-that-must-not-be-used"}
Passes = Callable[..., None]

CALL = """
import asyncio
import main

def test_it(flash_endpoints):
    assert asyncio.run(main.double(2))["value"] == 4
"""


def test_a_key_in_the_environment_changes_nothing(project: Any, passes: Passes) -> None:
    project.write("test_app.py", CALL)
    passes(project.pytest(**KEY), passed=1)
    assert project.hosts() <= LOOPBACK


def test_a_key_and_redirection_in_dotenv_change_nothing(project: Any, passes: Passes) -> None:
    project.write(
        ".env",
        "RUNPOD_API_KEY=k\nRUNPOD_API_BASE_URL=https://api.example.com\n"
        "RUNPOD_ENDPOINT_BASE_URL=https://queue.example.com\n",
    )
    project.write("test_app.py", CALL)
    passes(project.pytest(), passed=1)
    assert project.hosts() <= LOOPBACK


def test_without_the_plugin_a_call_is_refused(project: Any, passes: Passes) -> None:
    project.write(
        "test_app.py",
        """
import asyncio
import pytest
import main
from pytest_flash.errors import LiveRefusedError

def test_it():
    with pytest.raises(LiveRefusedError, match="--flash-live"):
        asyncio.run(main.double(2))
""",
    )
    passes(project.pytest("-p", "no:flash", **KEY), passed=1)
    assert project.hosts() <= LOOPBACK


def test_clearing_the_environment_is_no_way_round(project: Any, passes: Passes) -> None:
    project.write(
        "test_app.py",
        """
import asyncio, os
from unittest import mock
import pytest
import main
from pytest_flash.errors import LiveRefusedError, NoTargetError

def test_it():
    with mock.patch.dict(os.environ, {"RUNPOD_API_KEY": "k"}, clear=True):
        with pytest.raises(LiveRefusedError):
            asyncio.run(main.double(2))

def test_again():
    with pytest.raises(NoTargetError):
        asyncio.run(main.double(2))
""",
    )
    passes(project.pytest("-p", "no:flash"), passed=2)
    assert project.hosts() <= LOOPBACK


def test_a_subprocess_of_a_test_is_refused(project: Any, passes: Passes) -> None:
    project.write(
        "test_app.py",
        """
import subprocess, sys

def test_it():
    program = "import asyncio, main; asyncio.run(main.double(2))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert "LiveRefusedError" in done.stderr
""",
    )
    passes(project.pytest(**KEY), passed=1)
    assert project.hosts() <= LOOPBACK


def test_flash_run_from_a_test_is_refused(project: Any, passes: Passes) -> None:
    project.write(
        "test_app.py",
        """
import subprocess, sys

def test_it():
    command = [sys.executable, "-m", "flash_cli", "run", "--port", "0", "--auto-provision"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done
    assert "--emulator" in done.stderr
""",
    )
    passes(project.pytest(**KEY), passed=1)
    assert project.hosts() <= LOOPBACK


@pytest.mark.parametrize("where", ["ini", "variable"])
def test_live_counts_on_the_command_line_only(project: Any, where: str) -> None:
    project.write("test_app.py", CALL)
    variables = dict(KEY)
    if where == "ini":
        project.write("pytest.ini", "[pytest]\naddopts = --flash-live\n")
    else:
        variables["PYTEST_ADDOPTS"] = "--flash-live"
    result = project.pytest(**variables)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--flash-live spends money" in "\n".join(result.errlines)
    assert project.hosts() <= LOOPBACK


def test_live_without_a_key_says_where_it_looked(project: Any) -> None:
    project.write("test_app.py", CALL)
    result = project.pytest("--flash-live")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    looked = f"in the environment, nor in {project.folder / '.env'} (no such file)"
    assert f"no RUNPOD_API_KEY {looked}" in "\n".join(result.errlines)


def test_the_guard_sees_a_connection(project: Any) -> None:
    project.write(
        "test_app.py",
        "import socket, subprocess, sys\n"
        "def test_it():\n"
        "    subprocess.run([sys.executable, '-c', 'import socket; s = socket.socket(); "
        's.settimeout(0.1); s.connect_ex(("192.0.2.1", 9))\'])\n',
    )
    project.pytest()
    assert "192.0.2.1" in project.hosts()
