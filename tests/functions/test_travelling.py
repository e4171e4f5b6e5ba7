"""What travels with a function, on the emulator's worker and on one that does the least."""

from __future__ import annotations

import asyncio
import importlib
import shutil
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from pytest_flash.functions.calls import RemoteCalls
from tests.functions.travelling import CASES
from tests.functions.workers import MinimalWorker

_FOLDERS = count()
Import = Callable[[dict[str, str]], Any]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Import]:
    """Write files of a project and import its ``main``."""
    before = set(sys.modules)

    def make(files: dict[str, str]) -> Any:
        folder = tmp_path / f"project{next(_FOLDERS)}"
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        monkeypatch.syspath_prepend(folder)
        return importlib.import_module("main")

    yield make
    for name, each in list(sys.modules.items()):
        if name not in before and str(tmp_path) in str(getattr(each, "__file__", "")):
            del sys.modules[name]
    for folder in tmp_path.iterdir():
        shutil.rmtree(folder)
    _forget_namespaces(before, tmp_path)


def _forget_namespaces(before: set[str], folder: Path) -> None:
    for name, each in list(sys.modules.items()):
        if name not in before and str(folder) in str(getattr(each, "__path__", "")):
            del sys.modules[name]


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 60


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("worker", ["ours", "minimal"])
def test_it_travels(
    project: Import, minimal: MinimalWorker, ours: RemoteCalls, worker: str, name: str
) -> None:
    case = CASES[name]
    function = project({"main.py": case.head + case.main, **case.files}).f
    if worker == "ours":
        result = asyncio.run(ours.call(function.spec, case.args, {}))
    else:
        result = minimal.outcome(function.spec, case.args).get()
    assert result == case.result
