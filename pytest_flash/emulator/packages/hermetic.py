"""What a worker of a Flash image may import, and the command that starts one.

A worker sees the standard library, cloudpickle, the packages its image brings (those of them
that are installed here) and what its functions declare. Declared packages that the user's
environment satisfies are linked from there; otherwise the whole set is installed once into a
cached folder. Nothing else of the user's environment or project is importable.
"""

from __future__ import annotations

import compileall
import json
import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from ...errors import EmulatorError
from .installed_folders import OVERLAYS, Overlays
from .installer import Installer
from .interpreter import Interpreters
from .link_folders import LinkFarms
from .requirements import (
    Dependency,
    DependencyError,
    Installed,
    InstalledPackages,
    Resolution,
    fingerprint,
)

__all__ = ["DependencyError", "Hermetic", "Provided", "WorkerProgram", "default_cache"]

_BOOTSTRAP = Path(__file__).parent.parent / "worker" / "bootstrap.py"
_CLOUDPICKLE = Requirement("cloudpickle")
# setuptools' switch for distutils, which a worker does not need.
_HARMLESS_PTH = "distutils-precedence.pth"


@dataclass(frozen=True)
class WorkerProgram:
    """The command of a worker process; its environment is the caller's to set."""

    argv: tuple[str, ...]


@dataclass(frozen=True)
class Provided:
    """Folders for a worker's search path, and lines for the job's stdout (or nothing)."""

    paths: tuple[str, ...]
    notes: str


class Hermetic:
    """Builds what hermetic workers may import. Thread-safe; ``cache`` may be shared by processes.

    ``search_path``: where the user's packages are, by default this interpreter's ``sys.path``.
    """

    def __init__(self, cache: Path, *, search_path: Sequence[str] | None = None) -> None:
        self._cache = cache
        self._search_path = tuple(sys.path if search_path is None else search_path)
        self._interpreters = Interpreters(cache / "interpreters")
        self._farms = LinkFarms(cache / "farms")
        self._installer = Installer()
        self._overlays = Overlays(cache / OVERLAYS, self._installer)
        self._lock = threading.Lock()
        self._scanned: InstalledPackages | None = None
        self._compiled = False

    def program(self, *, preinstalled: Sequence[str]) -> WorkerProgram:
        """The command that starts a worker; a few milliseconds when warm.

        ``preinstalled``: requirements that the image brings; those not installed here are left out.
        Raises EmulatorError without an interpreter, cloudpickle or a writable cache.
        """
        try:
            return self._program(preinstalled)
        except OSError as error:
            raise EmulatorError(self._cache_problem(error)) from error

    def _program(self, preinstalled: Sequence[str]) -> WorkerProgram:
        environment = self._environment()
        own = environment.resolve([_CLOUDPICKLE])
        if own.missing:
            raise EmulatorError(
                f"workers need cloudpickle, but {own.missing[0]}. "
                f"Run: {sys.executable} -m pip install --force-reinstall cloudpickle"
            )
        self._compile_runtime()
        farm = self._farms.build(own.found | _image(environment, preinstalled), environment)
        python = self._interpreters.executable()
        configuration = json.dumps({"paths": [str(farm)]})
        return WorkerProgram((str(python), "-I", "-S", "-B", str(_BOOTSTRAP), configuration))

    def provide(self, dependencies: Sequence[str], *, preinstalled: Sequence[str]) -> Provided:
        """Make declared packages available; minutes when they must be installed.

        The folders belong before those of the image, so that declared versions win. Raises
        DependencyError for an entry that is no requirement, or with the installer's last words.
        """
        try:
            return self._provide(dependencies, preinstalled)
        except OSError as error:
            raise DependencyError(self._cache_problem(error)) from error

    def _provide(self, dependencies: Sequence[str], preinstalled: Sequence[str]) -> Provided:
        wanted = [one for one in map(Dependency.parse, dependencies) if one.applies]
        named = [one.requirement for one in wanted if one.requirement is not None]
        environment = self._environment()
        resolution = environment.resolve(named)
        if len(named) == len(wanted) and not resolution.missing:
            if resolution.found <= _image(environment, preinstalled):
                return Provided((), "")
            folder = self._farms.build(resolution.found, environment)
        else:
            folder = self._overlays.build(wanted, python=self._interpreters.executable())
        return Provided((str(folder),), _notes(resolution, folder))

    def close(self) -> None:
        """End installations that run: their ``provide`` raises. Callable from any thread."""
        self._installer.close()

    def _cache_problem(self, error: OSError) -> str:
        return (
            f"the cache of worker packages in {self._cache} cannot be used: {error}. "
            "Set FLASH_CACHE_DIR to a folder that can be written"
        )

    def _compile_runtime(self) -> None:
        """Workers write no bytecode: without this each start would compile the runtime again."""
        if not self._compiled and not sys.dont_write_bytecode:
            compileall.compile_dir(_BOOTSTRAP.parent, quiet=2)
        self._compiled = True

    def _environment(self) -> InstalledPackages:
        with self._lock:
            scanned = self._scanned
            if scanned is None or scanned.fingerprint != fingerprint(scanned.paths):
                scanned = self._scanned = InstalledPackages(self._search_path)
            return scanned


def default_cache() -> Path:
    """``$FLASH_CACHE_DIR``, else ``pytest-flash`` in ``$XDG_CACHE_HOME`` or in ``~/.cache``."""
    if own := os.environ.get("FLASH_CACHE_DIR"):
        return Path(own).absolute()
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared).absolute() / "pytest-flash"
    return Path.home() / ".cache" / "pytest-flash"


def _image(environment: InstalledPackages, preinstalled: Sequence[str]) -> frozenset[Installed]:
    found: frozenset[Installed] = frozenset()
    for text in preinstalled:
        requirement = Dependency.parse(text).requirement
        if requirement is not None:
            resolution = environment.resolve([requirement])
            found |= resolution.found if not resolution.missing else frozenset()
    return found


def _notes(resolution: Resolution, folder: Path) -> str:
    lines = [f"{problem} here: installed anew for workers\n" for problem in resolution.unlinkable]
    lines += [
        f"{file.name} of the declared packages has no effect: workers process no .pth files\n"
        for file in sorted(folder.glob("*.pth"))
        if file.name != _HARMLESS_PTH
    ]
    return "".join(lines)
