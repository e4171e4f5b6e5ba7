"""What the tests of remote functions share."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pytest_flash.functions.calling.calls import RemoteCalls
from pytest_flash.runpod import QueueClient
from tests.functions.wire import Endpoints, work
from tests.functions.workers import MinimalWorker, emulated, minimal_worker
from tests.runpod.scripted import ScriptedServer, scripted

_MODULES = count()
_FOLDERS = count()
Import = Callable[[dict[str, str]], Any]


@pytest.fixture
def module(tmp_path: Path) -> Iterator[Callable[[str], ModuleType]]:
    """Write source to a file and import it."""
    made_names = []

    def make(source: str) -> ModuleType:
        name = f"shipped_{next(_MODULES)}"
        path = tmp_path / f"{name}.py"
        path.write_bytes(source.encode())
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        made = importlib.util.module_from_spec(spec)
        sys.modules[name] = made
        made_names.append(name)
        spec.loader.exec_module(made)
        return made

    yield make
    for name in made_names:
        sys.modules.pop(name, None)


@pytest.fixture
def project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[dict[str, str]], Any]]:
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


@pytest.fixture(scope="session")
def minimal() -> Iterator[MinimalWorker]:
    """A worker that executes the code and calls the name, and has the standard library alone."""
    with minimal_worker() as worker:
        yield worker


@pytest.fixture
def on_worker(minimal: MinimalWorker) -> Callable[..., Any]:
    """Ship a function and call it on the minimal worker."""

    def call(function: Any, *args: Any, **kwargs: Any) -> Any:
        return minimal.outcome(function.spec, args, kwargs).get()

    return call


@pytest.fixture(scope="session")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteCalls]:
    """Calls that run on a worker of the emulator."""
    with emulated(tmp_path_factory.mktemp("emulated")) as session:
        yield session.calls


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted() as made:
        yield made


@pytest.fixture
def endpoints() -> Endpoints:
    return Endpoints()


@pytest.fixture
def calls(server: ScriptedServer, endpoints: Endpoints) -> RemoteCalls:
    made = RemoteCalls(QueueClient(server.embedded), endpoints.find)
    made.shipping.call(work.spec, (), {})  # Tests with short time limits do not prepare anything.
    return made
