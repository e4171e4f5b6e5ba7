"""Which modules the parent of serving processes may import for them, and whether that was safe.

A serving process is forked, so what its parent has imported costs it nothing. A module may be
imported there if it is none of the project's, if the parent would find the same file, if the
environment was still untouched by the app when the app imported it, and if importing it leaves
nothing behind that two processes cannot share: a thread, an open file, a look at the project.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from ...clock import wall_time_ns
from ...sdks import is_official, loaded
from ...user_files import Saved, is_project_file, saved
from ..app.import_from_source import import_from_source

# Files are dated by a clock that moves in steps of up to 10 ms.
_TICK = 20_000_000
_NO_FILE = ("built-in", "frozen")


@dataclass(frozen=True)
class Module:
    """A module by name, with the file that it is loaded from."""

    name: str
    file: str


@dataclass(frozen=True)
class Unfit:
    """A module that must be left to each serving process, and why."""

    name: str
    reason: str
    environment: dict[str, str]


class Watch(MetaPathFinder):
    """Learns which modules are imported from now on, in a serving process."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._before = frozenset(sys.modules)
        self._environment = dict(os.environ)
        self._changed = False
        self._late: set[str] = set()
        sys.meta_path.insert(0, self)

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> None:
        """Note a module whose import may depend on what the app did to the environment."""
        self._changed = self._changed or self._environment != dict(os.environ)
        if self._changed:
            self._late.add(name)

    def modules(self) -> tuple[Module, ...]:
        """What was imported and may be imported ahead: each after what it imports itself."""
        found = []
        for name, module in sys.modules.copy().items():
            if name in self._before or name in self._late or is_official(name):
                continue
            spec = getattr(module, "__spec__", None)
            origin = getattr(spec, "origin", None)
            if spec is None or spec.name != name or origin is None:
                continue
            if origin in _NO_FILE or not is_project_file(Path(origin), self._root):
                found.append(Module(name, origin))
        return tuple(found)


class Preloader(MetaPathFinder):
    """Imports modules in the parent. ``root`` is the project's folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._asked: str | None = None
        self._files: dict[str, Saved] = {}
        import_from_source(root, self.note)
        for module in sys.modules.copy().values():
            if file := getattr(module, "__file__", None):
                self.note(file)

    def load(
        self, modules: Iterable[Module], environment: Mapping[str, str], excluded: Iterable[str]
    ) -> Unfit | None:
        """Import ``modules`` under ``environment``; the first that turned out to be unfit.

        After one this process is of no use as a parent. ``excluded`` are top-level names.
        """
        kept, path = dict(os.environ), list(sys.path)
        os.environ.update(environment)
        # Found by no other path either: it is noticed when a module asks for the project's.
        sys.path[:] = [each for each in path if not is_project_file(Path(each), self._root)]
        sys.meta_path.append(self)
        skipped = frozenset(excluded)
        try:
            for module in modules:
                if module.name in sys.modules or module.name.partition(".")[0] in skipped:
                    continue
                if reason := self._import(module):
                    return Unfit(module.name, reason, dict(environment))
            return None
        finally:
            sys.meta_path.remove(self)
            sys.path[:] = path
            for name in set(os.environ) - set(kept):
                del os.environ[name]
            os.environ.update(kept)

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> None:
        """Nobody else found ``name``: note when the project has it."""
        first = self._root / name.partition(".")[0]
        if first.is_dir() or first.with_suffix(".py").is_file():
            self._asked = name

    def note(self, file: str) -> None:
        """Remember the state of a file before a module is loaded from it."""
        if file not in self._files:
            state = saved(file)
            # Within a tick of the clock of files, the next save leaves the same state.
            self._files[file] = None if state is not None and _is_new(state[2]) else state

    def changed_file(self) -> str | None:
        """A file whose module is not what it was when it was imported."""
        return next((file for file, state in self._files.items() if saved(file) != state), None)

    def _import(self, module: Module) -> str | None:
        """Import one module; why it is unfit, if it is."""
        before = _traces()
        self._asked = None
        try:
            spec = _spec(module.name)
            if spec is None or spec.origin != module.file:
                return None  # The app has its own way to it.
            importlib.import_module(module.name)
        # Anything may be raised by a module that does not expect to be imported alone.
        except BaseException as error:  # noqa: BLE001
            if self._asked is None:
                return f"importing it alone raises {type(error).__name__}: {error}"
        if self._asked is not None:
            return f"it imports {self._asked!r}, which is the project's"
        if sdks := loaded():
            # Each process decides as it is imported whether it may reach Runpod.
            return f"it imports {sdks[0]}"
        threads, files = _traces()
        if threads > before[0]:
            return "it starts a thread"
        if files > before[1]:
            return "it keeps a file or socket open"
        return None


def _is_new(modified: int) -> bool:
    return 0 <= wall_time_ns() - modified < _TICK


def thread_count() -> int:
    """The threads of this process, also those that Python does not know."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def _traces() -> tuple[int, int]:
    return thread_count(), sum(1 for _ in Path("/proc/self/fd").iterdir())


def _spec(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except ModuleNotFoundError:
        return None
