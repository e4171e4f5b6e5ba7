"""Which program a worker runs, by the image of its endpoint."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .config import EmulatorConfig
    from .hermetic import Hermetic
    from .records import Compute, EndpointRecord

# Flash SDK 1.19, core/resources/constants.
_FLASH_IMAGES: dict[str, Compute] = {
    "runpod/flash": "gpu",
    "runpod/flash-cpu": "cpu",
    "runpod/flash-lb": "gpu",
    "runpod/flash-lb-cpu": "cpu",
}


class NoProgramError(Exception):
    """Nothing says what a worker of this image should run here."""


class SupplyError(Exception):
    """Dependencies could not be provided; the text is the installer's."""


@dataclass(frozen=True)
class Program:
    """A command line. ``asks_for_dependencies`` tells a runtime of ours from a foreign worker."""

    argv: tuple[str, ...]
    asks_for_dependencies: bool = False


@dataclass(frozen=True)
class Supply:
    """Folders to append to ``sys.path``, and what to tell the user about them."""

    paths: tuple[str, ...]
    notes: str = ""


class ProgramSource(Protocol):
    """Knows the programs. Its methods block, and are called in threads."""

    def program(self, record: EndpointRecord) -> Program:
        """What a worker of this endpoint runs. Raises NoProgramError."""
        ...

    def supply(self, record: EndpointRecord, dependencies: Sequence[str]) -> Supply:
        """Make ``dependencies`` importable for a worker. Raises SupplyError."""
        ...

    def close(self) -> None:
        """End what ``supply`` is still doing. Does not block."""
        ...


class FlashPrograms:
    """The hermetic runtime for the Flash images, and nothing for any other."""

    def __init__(self, config: EmulatorConfig) -> None:
        self._config = config
        self._runtime: Hermetic | None = None
        self._closed = False
        self._lock = threading.Lock()

    def program(self, record: EndpointRecord) -> Program:
        """See ProgramSource."""
        preinstalled = self._preinstalled(record)
        return Program(self._hermetic().program(preinstalled=preinstalled).argv, True)

    def supply(self, record: EndpointRecord, dependencies: Sequence[str]) -> Supply:
        """See ProgramSource."""
        from .hermetic import DependencyError

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

    def _hermetic(self) -> Hermetic:
        # Imported with the first worker: the emulator should be serving by then.
        from .hermetic import Hermetic, default_cache

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
            raise NoProgramError(
                f"the emulator knows no program for the image {image!r}: it runs the images "
                f"{', '.join(_FLASH_IMAGES)}, and those of your own that are built on them and "
                "listed in flash_images of [tool.flash.emulator] in pyproject.toml"
            )
        return kind


def repository(image: str) -> str:
    """The repository of an image reference, without Docker Hub's host, tag and digest."""
    name = image.partition("@")[0]
    folder, slash, last = name.rpartition("/")
    name = folder + slash + last.partition(":")[0]
    for host in ("docker.io/", "index.docker.io/"):
        name = name.removeprefix(host)
    return name
