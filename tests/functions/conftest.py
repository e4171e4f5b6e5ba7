"""What the tests of remote functions share."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pytest_flash.functions.calls import RemoteCalls
from tests.functions.workers import MinimalWorker, emulated, minimal_worker

_MODULES = count()


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
