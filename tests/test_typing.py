"""How the package looks to a user's type checker."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import pytest

from pytest_flash.emulator.packages.hermetic import default_cache
from pytest_flash.wire.job_state import JobState, JobStateName
from tests.support import typed
from tests.support.environment import clean_environment
from tests.support.guides import PYTEST_GUIDE, files

# By file and line, what is wrong there.
Errors = Mapping[str, Mapping[int, str]]

PLUGINS = ["plain", "plugin"]


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Errors]:
    """What mypy finds wrong, without and with pydantic's plugin."""
    folder = tmp_path_factory.mktemp("typing")
    everything = {**typed.CALLS, **typed.TESTS, **files(PYTEST_GUIDE)}
    return {
        "plain": checked(folder / "plain", everything),
        "plugin": checked(folder / "plugin", typed.CALLS, "plugins = pydantic.mypy"),
    }


def checked(folder: Path, sources: Mapping[str, str], setting: str = "") -> Errors:
    """What mypy's strict mode finds wrong in ``sources``."""
    folder.mkdir()
    for name, source in sources.items():
        (folder / name).write_text(source)
    # What it has found out about the packages that are installed takes it ten seconds.
    cache = default_cache() / "mypy" / folder.name
    (folder / "mypy.ini").write_text(f"[mypy]\nstrict = true\ncache_dir = {cache}\n{setting}\n")
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", *sources],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert not ran.stderr
    assert ran.returncode in (0, 1), ran.stdout
    found: dict[str, dict[int, str]] = {name: {} for name in sources}
    for name, line, message in re.findall(r"^(.+?):(\d+): error: (.+)$", ran.stdout, re.MULTILINE):
        found[name][int(line)] = message
    return found


@pytest.mark.parametrize("plugins", PLUGINS)
def test_mypy_knows_arguments_and_results(errors: dict[str, Errors], plugins: str) -> None:
    assert len(typed.marked(typed.FUNCTIONS)) == 24
    assert errors[plugins]["functions.py"].keys() == typed.marked(typed.FUNCTIONS), errors[plugins]


@pytest.mark.parametrize("plugins", PLUGINS)
def test_mypy_knows_the_constructors(errors: dict[str, Errors], plugins: str) -> None:
    assert len(typed.marked(typed.RESOURCES)) == 6
    assert errors[plugins]["resources.py"].keys() == typed.marked(typed.RESOURCES), errors[plugins]


def test_types_of_fixtures_are_exported_and_strict(errors: dict[str, Errors]) -> None:
    assert errors["plain"]["shop.py"] == {}
    assert errors["plain"]["test_right.py"] == {}


def test_a_stub_has_the_functions_type(errors: dict[str, Errors]) -> None:
    found = errors["plain"]["test_wrong.py"]
    assert found.keys() == typed.marked(typed.WRONG_STUB)
    assert '"stub" of "Endpoints"' in next(iter(found.values()))


def test_the_examples_of_the_guide_are_typed(errors: dict[str, Errors]) -> None:
    examples = files(PYTEST_GUIDE)
    assert len(examples) > 6
    assert {name: errors["plain"][name] for name in examples} == {key: {} for key in examples}


def test_the_names_of_states_are_the_states() -> None:
    assert get_args(JobStateName) == tuple(state.value for state in JobState)
