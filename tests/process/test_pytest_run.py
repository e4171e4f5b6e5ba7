"""Which processes belong to a pytest run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pytest_flash.process.pytest_run import is_inside_pytest, runs_pytest
from tests.support.environment import ROOT
from tests.support.system.detached import run_detached


@pytest.mark.parametrize(
    "command",
    [
        "pytest",
        "/venv/bin/pytest tests",
        "/venv/bin/py.test",
        "/venv/bin/python /venv/bin/pytest -q tests",
        "python -m pytest",
        "python -mpytest",
        "python3.12 -X dev -W error -m pytest tests",
        "python -Xdev /venv/bin/pytest",
        "python /venv/lib/site-packages/pytest/__main__.py",
        "coverage run -m pytest",
        "python -m coverage run --source src -m pytest",
        "python /venv/bin/coverage run -m pytest",
        "python -m pdb -m pytest",
        "python -m cProfile -o profile.out /venv/bin/pytest tests",
        "python3 /venv/bin/coverage run --branch /venv/bin/pytest -q",
        "python /opt/pycharm/plugins/python/helpers/pydev/pydevd.py --port 1 --file "
        "/opt/pycharm/plugins/python/helpers/pycharm/_jb_pytest_runner.py",
        "python /opt/pycharm/plugins/python/helpers/pycharm/_jb_pytest_runner.py --path x",
        "python /home/me/.vscode/extensions/ms-python/python_files/vscode_pytest/"
        "run_pytest_script.py --rootdir /x",
        "[pytest-xdist running] tests/test_x.py::test_y",
    ],
)
def test_command_lines_of_pytest_runs(command: str) -> None:
    assert runs_pytest(command.split())


def test_a_program_that_calls_pytest_is_a_run() -> None:
    assert runs_pytest(["python", "-c", "import pytest; pytest.main(['-q'])"])


@pytest.mark.parametrize(
    "command",
    [
        "",
        "bash",
        "/sbin/init",
        "python deploy.py",
        "python deploy.py pytest",
        "vim /venv/bin/pytest.ini",
        "python -m myapp pytest",
        "python -X pytest deploy.py",
        "vim test_pytest.py",
        "/opt/pytest-tools/bin/deploy",
        "python -m pytest_flash.emulator",
        "flash run --live",
        "python -c print()",
    ],
)
def test_command_lines_of_others(command: str) -> None:
    assert not runs_pytest(command.split())


def test_an_argument_that_mentions_pytest_is_no_run() -> None:
    assert not runs_pytest(["bash", "-c", "pytest; python deploy.py"])


def test_this_process_knows_by_itself() -> None:
    assert is_inside_pytest({})


def test_a_process_that_no_run_has_started_is_free(tmp_path: Path) -> None:
    free = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    program = (
        "import os, pytest\n"
        "from pytest_flash.process.pytest_run import belongs_to_pytest\n"
        "names = 'PYTEST_VERSION', 'PYTEST_CURRENT_TEST', 'PYTEST_XDIST_WORKER'\n"
        "print(belongs_to_pytest(os.environ), *(belongs_to_pytest({n: 'x'}) for n in names))"
    )
    command = [sys.executable, "-c", program]
    printed = run_detached(command, tmp_path / "free", cwd=tmp_path, env=free)
    assert printed.split() == ["False", "True", "True", "True"]
