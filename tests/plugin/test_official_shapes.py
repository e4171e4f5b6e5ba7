"""Small apps written for the official SDK, of which the import line alone was changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.pytest_runs.downstream import NewProject
from tests.support.pytest_runs.inner_run import InnerRun

_APPS = Path(__file__).parents[1] / "apps" / "official"
SHAPES = sorted(each.name for each in _APPS.glob("sdk2_*"))

# One app, of which each of the small ones is a part, so that they share a run.
_MAIN = "from fastapi import FastAPI\n\n{imports}\n\napp = FastAPI()\n{mounts}\n"
_CONFTEST = """\
import pytest


class Part:
    def __init__(self, client, path):
        self._client, self._path = client, path

    def get(self, path, **options):
        return self._client.get(self._path + path, **options)

    def post(self, path, **options):
        return self._client.post(self._path + path, **options)


@pytest.fixture
def client(flash_client, request):
    alone = (request.config.rootpath / "main.py") == (request.path.parent / "main.py")
    return flash_client if alone else Part(flash_client, "/" + request.path.parent.name)
"""
_SETTINGS = "[pytest]\naddopts = --import-mode=importlib\n"


@pytest.fixture(scope="module")
def together(new_project: NewProject) -> InnerRun:
    """All of them in one app."""
    project = new_project()
    for shape in SHAPES:
        _copy(shape, project.folder / shape)
        (project.folder / shape / "__init__.py").touch()
    imports = "\n".join(f"from {shape}.main import app as {shape}" for shape in SHAPES)
    mounts = "\n".join(f'app.mount("/{shape}", {shape})' for shape in SHAPES)
    project.write("main.py", _MAIN.format(imports=imports, mounts=mounts))
    project.write("conftest.py", _CONFTEST)
    project.write("pytest.ini", _SETTINGS)
    return project.report("--flash-app=main:app")


@pytest.mark.parametrize("shape", SHAPES)
def test_it_answers_beside_others(together: InnerRun, shape: str) -> None:
    together.check(f"{shape}.test_app", passed=1)


def test_what_has_no_meaning_here_is_warned_of_where_it_is_defined(together: InnerRun) -> None:
    printed = "\n".join(together.result.outlines)
    for shape, text in (
        ("one_vcpu", "'cpu3c-2-4' is used for 'cpu3c-1-2'"),
        ("gpu_ids", "imageName is ignored"),
        ("template", "volumeInGb is ignored"),
        ("template", "@remote ignores hf_models_to_cache"),
        ("set_fields", "RUNPOD_API_KEY is left out of env"),
        ("elsewhere", "EU-RO-1 is used for US-TX-3"),
        ("endpoint", "max_concurrency is ignored"),
    ):
        lines = [line for line in printed.splitlines() if text in line]
        assert lines, (shape, printed)
        where = [line for line in lines if "FlashWarning" in line]
        assert any(f"sdk2_{shape}" in line for line in where), lines


def test_each_alone(request: pytest.FixtureRequest, new_project: NewProject) -> None:
    """One by default: that they do not need each other is looked at with --soak."""
    for shape in SHAPES if request.config.getoption("soak") else SHAPES[-1:]:
        project = new_project()
        _copy(shape, project.folder)
        project.write("conftest.py", _CONFTEST)
        project.write("pytest.ini", _SETTINGS)
        result = project.pytest()
        result.assert_outcomes(passed=1)


def _copy(shape: str, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    shutil.copy(_APPS / shape / "main.py", folder / "main.py")
    shutil.copy(_APPS / shape / "check_app.py", folder / "test_app.py")
