"""Importing a project's files from source, never from cached bytecode.

Cached bytecode is valid while size and modification second are the same, so a save that changes
neither would run the old code. Third-party packages keep their cache.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
)
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any


@dataclass
class Imports:
    """The project's files that were imported, and those that raised while they were."""

    files: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)


class _SourceLoader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, imports: Imports) -> None:
        super().__init__(fullname, path)
        self._imports = imports

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code = self.source_to_code(self.get_data(path), path)
        assert isinstance(code, CodeType)
        return code

    def exec_module(self, module: ModuleType) -> None:
        try:
            super().exec_module(module)
        except BaseException:
            self._imports.failed.add(self.path)
            raise
        self._imports.files.add(self.path)


def import_from_source(root: Path) -> Imports:
    """From now on, modules below ``root`` outside installed packages come from their source."""
    imports = Imports()

    def loader(fullname: str, path: str) -> _SourceLoader:
        return _SourceLoader(fullname, path, imports)

    # Typed as if it took classes alone; it calls whatever it is given.
    source: Any = (loader, SOURCE_SUFFIXES)
    make_finder = FileFinder.path_hook((ExtensionFileLoader, EXTENSION_SUFFIXES), source)

    def hook(path: str) -> FileFinder:
        folder = Path(path)
        if not folder.is_relative_to(root) or "site-packages" in folder.parts:
            raise ImportError(path)
        finder = make_finder(path)
        assert isinstance(finder, FileFinder)
        return finder

    sys.path_hooks.insert(0, hook)
    sys.path_importer_cache.clear()
    return imports
