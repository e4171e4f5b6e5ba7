"""Which program a worker runs, by the image of its endpoint."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ...errors import EmulatorError
from ..startup.config import repository

if TYPE_CHECKING:
    from ..account.endpoint_records import Compute, EndpointRecord
    from ..packages.hermetic import Hermetic
    from ..startup.config import EmulatorConfig

# Flash SDK 1.19, core/resources/constants.
_FLASH_IMAGES: dict[str, Compute] = {
    "runpod/flash": "gpu",
    "runpod/flash-cpu": "cpu",
    "runpod/flash-lb": "gpu",
    "runpod/flash-lb-cpu": "cpu",
}
_BALANCED = ("runpod/flash-lb", "runpod/flash-lb-cpu")

_GUARDED = Path(__file__).parent.parent / "worker" / "guarded_command.py"
# They test the network and a GPU; offline and without one they would end every worker.
_NO_FITNESS_CHECKS = {"RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true", "RUNPOD_SKIP_GPU_CHECK": "true"}


class NoProgramError(Exception):
    """Nothing says what a worker of this image should run here."""


class SupplyError(Exception):
    """Dependencies could not be provided; the text is the installer's."""


@dataclass(frozen=True)
class Program:
    """A command line, where it runs, and variables that the endpoint's own may override.

    ``asks_for_dependencies`` tells a runtime of ours from a foreign worker. ``folder`` is the
    working directory, by default the worker's own.
    """

    argv: tuple[str, ...]
    asks_for_dependencies: bool = False
    folder: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Supply:
    """Folders to append to ``sys.path``, and what to tell the user about them."""

    paths: tuple[str, ...]
    notes: str = ""


class ProgramSource(Protocol):
    """Knows the programs. Its methods block, and are called in threads."""

    def program(self, record: EndpointRecord) -> Program:
        """What a worker of this endpoint runs. Raises NoProgramError when nothing says so, and
        EmulatorError when it cannot be run."""
        ...

    def supply(self, record: EndpointRecord, dependencies: Sequence[str]) -> Supply:
        """Make ``dependencies`` importable for a worker. Raises SupplyError."""
        ...

    def close(self) -> None:
        """End what ``supply`` is still doing. Does not block."""
        ...


class ProjectPrograms:
    """The project's commands for the images that it maps, the hermetic runtime for Flash's."""

    def __init__(self, config: EmulatorConfig) -> None:
        self._config = config
        self._runtime: Hermetic | None = None
        self._closed = False
        self._lock = threading.Lock()

    def program(self, record: EndpointRecord) -> Program:
        """See ProgramSource."""
        command = self._config.command(record.container.image)
        if command is not None:
            return self._mapped(record.container.image, command)
        preinstalled = self._preinstalled(record)
        return Program(self._hermetic().program(preinstalled=preinstalled).argv, True)

    def supply(self, record: EndpointRecord, dependencies: Sequence[str]) -> Supply:
        """See ProgramSource."""
        from ..packages.hermetic import DependencyError

        try:
            provided = self._hermetic().provide(
                dependencies, preinstalled=self._preinstalled(record)
            )
        except DependencyError as error:
            raise SupplyError(str(error)) from error
        return Supply(provided.paths, provided.notes)

    def close(self) -> None:
        """See ProgramSource."""
        with self._lock:
            self._closed = True
            if self._runtime is not None:
                self._runtime.close()

    def _mapped(self, image: str, command: tuple[str, ...]) -> Program:
        folder, path = self._config.project, os.environ.get("PATH", os.defpath)
        if os.sep not in command[0] and shutil.which(command[0], path=path) is None:
            raise EmulatorError(
                f"{command[0]!r} is not on your PATH; [tool.flash.emulator.images] of "
                f"{folder / 'pyproject.toml'} names it as the program of the image {image!r}"
            )
        argv = (sys.executable, "-I", "-S", "-B", str(_GUARDED), *command)
        return Program(argv, folder=folder, env={"PATH": path, **_NO_FITNESS_CHECKS})

    def _hermetic(self) -> Hermetic:
        # Imported with the first worker: the emulator should be serving by then.
        from ..packages.hermetic import Hermetic, default_cache

        with self._lock:
            if self._runtime is None:
                self._runtime = Hermetic(default_cache())
                if self._closed:
                    self._runtime.close()
            return self._runtime

    def _preinstalled(self, record: EndpointRecord) -> tuple[str, ...]:
        kind = self._kind(record)
        return self._config.preinstalled.gpu if kind == "gpu" else self._config.preinstalled.cpu

    def _kind(self, record: EndpointRecord) -> Compute:
        image = record.container.image
        name = repository(image)
        if name in self._config.flash_images or image in self._config.flash_images:
            return record.compute
        kind = _FLASH_IMAGES.get(name)
        if kind is None:
            raise NoProgramError(self._no_program(image))
        if (name in _BALANCED) != (record.type == "LOAD_BALANCER"):
            works = "load-balancing" if name in _BALANCED else "queue-based"
            raise NoProgramError(f"the image {image!r} is for {works} endpoints only")
        return kind

    def _no_program(self, image: str) -> str:
        return (
            f"the emulator runs no containers and knows no program for the image {image!r}. To "
            f"run one for it, add to {self._config.project / 'pyproject.toml'} and start again:\n"
            f'\n    [tool.flash.emulator.images]\n    "{image}" = "python handler.py"\n\n'
            "An image that is built on one of Flash's belongs in flash_images of "
            "[tool.flash.emulator] instead"
        )
