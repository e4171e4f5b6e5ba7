"""Where the modules of an app are found: its own folder, and the package that it belongs to."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from .locate import AppLocation


def make_importable(location: AppLocation) -> None:
    """Let imports find what the app at ``location`` imports, as a server that was started in its
    folder would."""
    root = str(location.root)
    if sys.path[:1] != [root]:
        sys.path.insert(0, root)
    add_own_folders(location)


def add_own_folders(location: AppLocation) -> None:
    """Let imports that find nothing else look in the folders of the app and of its package.

    The module of an app that is a part of a package has two names, which lead to one module:
    imported twice it would be two apps.
    """
    folders = (location.root, location.beside)
    missing = (str(each) for each in folders if each is not None and str(each) not in sys.path)
    sys.path.extend(missing)
    if location.other_name is not None and location.file is not None:
        finder = _OneModule(location.module, location.other_name, location.file)
        if finder not in sys.meta_path:
            sys.meta_path.insert(0, finder)


class _OneModule(MetaPathFinder, Loader):
    """Finds a module that was imported under one of its names by the other one."""

    def __init__(self, name: str, other: str, file: Path) -> None:
        self._name = name
        self._other = {name: other, other: name}
        self._file = file
        self._specs: dict[ModuleType, object] = {}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _OneModule):
            return NotImplemented
        return self._other == other._other and self._file == other._file

    def __hash__(self) -> int:
        return hash(self._file)

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the import system passes it
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """As the import system asks."""
        other = self._other.get(name)
        if other is None:
            return None
        if other != self._name and not self._is_loaded(other):
            return None  # The first import of it, by the name that it goes by.
        return ModuleSpec(name, self, origin=str(self._file))

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """As the import system asks: the module that is there, or is imported now."""
        module = importlib.import_module(self._other[spec.name])
        self._specs[module] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """As the import system asks: it was executed under its other name."""
        vars(module)["__spec__"] = self._specs.pop(module)

    def _is_loaded(self, name: str) -> bool:
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None)
        return file is not None and Path(file).resolve() == self._file.resolve()
