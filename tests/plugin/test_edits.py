"""Files that are edited between test runs, whose workers stay, and while a run is under way."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.edits import KINDS, WAYS, Answer, Project
from tests.support.environment import clean_environment
from tests.support.pytest_runs.downstream import PLAIN, Python

Passes = Callable[..., None]

TEST = """\
import main, pytest
from expected import EXPECTED

@pytest.mark.parametrize("name", EXPECTED)
def test_both_answer_as_expected(flash_endpoints, name):
    function = main.FUNCTIONS[name]
    assert [function.local(), function.blocking()] == [EXPECTED[name]] * 2
"""


def test_runs_with_workers_that_stay_find_what_was_saved_between_them(
    request: pytest.FixtureRequest, python: Python, tmp_path: Path, variables: dict[str, str]
) -> None:
    soak = request.config.getoption("soak")
    for kind in KINDS if soak else KINDS[:1]:
        project = Project(tmp_path / kind, kind)
        (project.folder / "test_ways.py").write_text(TEST)
        run_between_saves(project, python, variables, 5 if soak else 3)


def run_between_saves(
    project: Project, python: Python, variables: dict[str, str], times: int
) -> None:
    expected: dict[str, Answer] = {name: way.before for name, way in WAYS.items()}
    # Python itself takes a save of the same size within a second for none.
    environment = {"PYTHONPATH": project.python_path, "PYTHONDONTWRITEBYTECODE": "1"}
    for number in range(times):
        (project.folder / "expected.py").write_text(f"EXPECTED = {expected!r}\n")
        run = subprocess.run(
            [python.path, "-m", "pytest", *PLAIN, "--flash-live", "--flash-keep"],
            cwd=project.folder,
            env=clean_environment(**environment, **variables),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert run.returncode == 0, run.stdout
        for name, way in WAYS.items():
            if number < len(way.saves):
                files, expected[name] = way.saves[number]
                project.save(name, files)


UNDER_WAY = """\
import pathlib
import main, pytest
from pytest_flash.errors import ConfigurationError

HERE = pathlib.Path(__file__).parent
FUNCTIONS = ("own", "of_helper", "of_late_helper", "of_own_helper")

def ask(names=FUNCTIONS):
    return [getattr(main, name).blocking() for name in names]

def here(names=FUNCTIONS):
    return [getattr(main, name).local() for name in names]

def edit(*names):
    for name in names:
        text = (HERE / name).read_text()
        # Of another size, or bytecode from the same second would count.
        (HERE / name).write_text(text.replace("return 1", "return 1 + 1"))

def test_what_was_imported_runs_after_an_edit(flash_endpoints):
    assert [main.of_late_helper.local(), main.of_late_helper.blocking()] == [1, 1]
    edit("main.py", "helper.py", "late_helper.py")
    assert ask() == here() == [1, 1, 1, 1]

def test_what_a_reload_brings_up_runs_from_then_on(flash_endpoints):
    import helper, importlib
    importlib.reload(helper)
    assert ask() == here() == [1, 2, 1, 1]

def test_what_was_imported_runs_also_after_its_files_are_gone(flash_endpoints):
    for name in ("helper.py", "late_helper.py", "main.py"):
        (HERE / name).unlink()
    assert ask() == here() == [1, 2, 1, 1]

def test_what_nobody_knows_is_refused(flash_endpoints):
    assert main.of_another.local() == 1
    edit("another.py")
    with pytest.raises(ConfigurationError, match="another.py, which was saved after it was imp"):
        main.of_another.blocking()
"""
APP = """\
import helper
from fastapi import FastAPI
from pytest_flash import CpuLiveServerless, remote

app = FastAPI()
cpu = CpuLiveServerless(name="cpu", workersMax=1)

@remote(cpu)
def own():
    return 1

@remote(cpu)
def of_helper():
    return helper.get()

@remote(cpu)
def of_late_helper():
    import late_helper
    return late_helper.get()

@remote(cpu)
def of_own_helper():
    return own_helper()

@remote(cpu)
def of_another():
    import another
    return another.get()

def own_helper():
    return 1
"""


def test_what_was_imported_is_what_travels_while_files_change(project: Any, passes: Passes) -> None:
    project.write("main.py", APP)
    for name in ("helper", "late_helper", "another"):
        project.write(f"{name}.py", "def get():\n    return 1\n")
    project.write("test_app.py", UNDER_WAY)
    passes(project.pytest("--flash-app", "main.py"), passed=4)
