"""A downstream project whose tests run in a pytest of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.downstream import Project, Python


@pytest.fixture(scope="session")
def python(request: pytest.FixtureRequest) -> Python:
    """The interpreter whose pytest runs the projects."""
    return Python.at(request.config.getoption("plugin_python"))


@pytest.fixture
def project(tmp_path: Path, python: Python) -> Project:
    """A downstream project."""
    folder = tmp_path / "project"
    folder.mkdir()
    return Project(folder, tmp_path / "guard", python)


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
