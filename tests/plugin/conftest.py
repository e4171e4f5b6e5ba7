"""A downstream project whose tests run in a pytest of their own."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.environment import clean_environment
from tests.support.pytest_runs.downstream import PLAIN, NewProject, Project, Python
from tests.support.pytest_runs.forks import Forks


@pytest.fixture(scope="session")
def python(request: pytest.FixtureRequest) -> Python:
    """The interpreter whose pytest runs the projects."""
    return Python.at(request.config.getoption("plugin_python"))


@pytest.fixture(scope="session")
def forks(python: Python) -> Iterator[Forks]:
    """Forks the runs of projects from a process that has imported what they need."""
    with contextlib.closing(Forks(python.path)) as forks:
        yield forks


@pytest.fixture
def project(tmp_path: Path, python: Python, forks: Forks) -> Project:
    """A downstream project."""
    folder = tmp_path / "project"
    folder.mkdir()
    return Project(folder, tmp_path / "guard", python, forks)


@pytest.fixture(scope="session")
def new_project(
    tmp_path_factory: pytest.TempPathFactory, python: Python, forks: Forks
) -> NewProject:
    """Makes downstream projects, for runs that several tests look at."""

    def make() -> Project:
        folder = tmp_path_factory.mktemp("shared")
        (folder / "project").mkdir()
        return Project(folder / "project", folder / "guard", python, forks)

    return make


@pytest.fixture(scope="module")
def shared_project(new_project: NewProject) -> Project:
    """A downstream project for a run that several tests of a module look at."""
    return new_project()


@pytest.fixture
def in_process(
    project: Project, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., pytest.RunResult]:
    """As ``project.pytest``, in this process: for a run that ends before anything is started.

    Where the projects have an interpreter of their own, it runs there.
    """

    def run(*arguments: str, env: Mapping[str, str] | None = None) -> pytest.RunResult:
        if project.python.path != sys.executable:
            return project.pytest(*arguments, env=env)
        environment = clean_environment(**(env or {}))
        with monkeypatch.context() as patch:
            patch.chdir(project.folder)
            for name in set(os.environ) - set(environment):
                patch.delenv(name)
            for name, value in environment.items():
                patch.setenv(name, value)
            # Faults are reported by the run around it, whose descriptors these would be.
            return pytester.runpytest_inprocess(*PLAIN, "-p", "no:faulthandler", *arguments)

    return run


@pytest.fixture
def passes() -> Callable[..., None]:
    """Assert the outcomes of a run, with its output where they differ."""

    def check(result: pytest.RunResult, **outcomes: int) -> None:
        text = "\n".join([*result.outlines, *result.errlines])
        try:
            result.assert_outcomes(**outcomes)
        except ValueError:
            pytest.fail(text)
        except AssertionError:
            pytest.fail(text)

    return check
