from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from pytest_flash.emulator.packages.hermetic import DependencyError, Hermetic
from tests.emulator.worker.platform import Answer, Platform, WorkerProcess


@pytest.fixture(scope="session")
def hermetic(tmp_path_factory: pytest.TempPathFactory) -> Hermetic:
    """What is importable here, with a cache of the session's own."""
    return Hermetic(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def provide(hermetic: Hermetic) -> Callable[[list[str]], Answer]:
    """Serves a worker's dependencies the way the emulator does."""

    def answer(dependencies: list[str]) -> Answer:
        try:
            provided = hermetic.provide(dependencies, preinstalled=())
        except DependencyError as error:
            return 422, {"error": str(error)}
        return 200, {"paths": list(provided.paths), "notes": provided.notes}

    return answer


@pytest.fixture(scope="session")
def shared(
    hermetic: Hermetic,
    provide: Callable[[list[str]], Answer],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Platform, WorkerProcess]]:
    with closing(Platform(provide)) as platform:
        argv = hermetic.program(preinstalled=()).argv
        worker = WorkerProcess(argv, platform, tmp_path_factory.mktemp("shared") / "home")
        yield platform, worker
        assert worker.process.poll() is None, worker.output
        worker.end()


@pytest.fixture
def warm(shared: tuple[Platform, WorkerProcess]) -> Platform:
    """A platform with a worker that many tests share: for jobs that leave no trace in it."""
    return shared[0]


@pytest.fixture
def platform(provide: Callable[[list[str]], Answer]) -> Iterator[Platform]:
    """A platform of the test's own, without a worker."""
    with closing(Platform(provide)) as platform:
        yield platform


@pytest.fixture
def start_worker(
    hermetic: Hermetic, platform: Platform, tmp_path: Path
) -> Iterator[Callable[..., WorkerProcess]]:
    """Start a worker for ``platform``; keyword arguments are its endpoint's environment."""
    with ExitStack() as stack:

        def start(**variables: str) -> WorkerProcess:
            argv = hermetic.program(preinstalled=()).argv
            worker = WorkerProcess(argv, platform, tmp_path / "home", **variables)
            stack.callback(worker.end)
            return worker

        yield start
