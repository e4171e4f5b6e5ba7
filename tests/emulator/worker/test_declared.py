"""A function's dependencies, from the worker's side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.emulator.worker.platform import Answer, Platform, WorkerProcess


class Shelf:
    """Folders with one module each, provided under the requirement that names the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[list[str]] = []

    def put(self, requirement: str, module: str, source: str) -> None:
        path = self.folder / requirement
        path.mkdir(exist_ok=True)
        (path / f"{module}.py").write_text(source)

    def provide(self, dependencies: list[str]) -> Answer:
        self.asked.append(dependencies)
        missing = [name for name in dependencies if not (self.folder / name).is_dir()]
        if missing:
            return 422, {"error": f"ERROR: No matching distribution found for {missing[0]}"}
        return 200, {"paths": [str(self.folder / name) for name in dependencies], "notes": "noted"}


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    (tmp_path / "shelf").mkdir()
    return Shelf(tmp_path / "shelf")


@pytest.fixture
def platform(shelf: Shelf) -> Iterator[Platform]:
    with closing(Platform(shelf.provide)) as platform:
        yield platform


@pytest.fixture(autouse=True)
def worker(start_worker: Callable[..., WorkerProcess]) -> WorkerProcess:
    return start_worker()


USE = "import importlib\ndef f(name): return importlib.import_module(name).VALUE"


def test_declared_packages_can_be_imported_and_asking_happens_once(
    platform: Platform, shelf: Shelf
) -> None:
    shelf.put("one", "mod_one", "VALUE = 1")
    for _ in range(3):
        assert platform.call(USE, "mod_one", dependencies=["one"]).value == 1
    assert shelf.asked == [["one"]]


def test_notes_precede_the_output_of_the_first_call(platform: Platform, shelf: Shelf) -> None:
    shelf.put("one", "mod_one", "VALUE = 1")
    code = "def f(): print('printed')"
    assert platform.call(code, dependencies=["one"]).stdout == "noted\nprinted\n"
    assert platform.call(code, dependencies=["one"]).stdout == "printed\n"


def test_a_failing_install_fails_the_job_with_the_installers_words(
    platform: Platform, shelf: Shelf
) -> None:
    outcome = platform.call("def f(): return 1", dependencies=["nothing>=3"])
    assert outcome.error == (
        "dependencies ['nothing>=3'] could not be installed\n"
        "ERROR: No matching distribution found for nothing>=3"
    )
    assert outcome.output["success"] is False
    shelf.put("nothing>=3", "mod", "VALUE = 3")
    assert platform.call(USE, "mod", dependencies=["nothing>=3"]).value == 3


def test_an_emulator_that_cannot_answer_fails_the_job_too(platform: Platform) -> None:
    platform.refusals["dependencies"] = [500]
    error = platform.call("def f(): return 1", dependencies=["one"]).error
    assert "refused by the test" in error


def test_the_latest_declaration_wins(platform: Platform, shelf: Shelf) -> None:
    shelf.put("old", "mod", "VALUE = 'old'")
    shelf.put("new", "mod", "VALUE = 'new'")
    fresh = "import sys, importlib\ndef f():\n  sys.modules.pop('mod', 0)\n"
    fresh += "  return importlib.import_module('mod').VALUE"
    for name in ("old", "new", "old"):
        assert platform.call(fresh, dependencies=[name]).value == name
    path = platform.call("import sys\ndef f(): return sys.path").value
    assert len(path) == len(set(path))


def test_declared_packages_come_before_the_images_and_after_the_standard_library(
    platform: Platform, shelf: Shelf
) -> None:
    shelf.put("one", "cloudpickle", "VALUE = 'declared'")
    shelf.put("one", "json", "VALUE = 'declared'")
    code = """
        import subprocess, sys

        def f():
            script = "import cloudpickle; print(cloudpickle.VALUE)"
            child = subprocess.check_output([sys.executable, "-c", script], text=True)
            import json
            return child, hasattr(json, "VALUE")
    """
    assert platform.call(code, dependencies=["one"]).value == ("declared\n", False)


def test_system_dependencies_are_noted_once_and_nothing_is_asked(
    platform: Platform, shelf: Shelf
) -> None:
    call = "def f(): pass"
    noted = "system_dependencies ['ffmpeg'] are not installed by the emulator\n"
    assert platform.call(call, system_dependencies=["ffmpeg"]).stdout == noted
    assert platform.call(call, system_dependencies=["ffmpeg"]).stdout == ""
    assert shelf.asked == []
