"""Importing a project's files from source, never from cached bytecode.

Cached bytecode is valid while size and modification second are the same, so a save that changes
neither would run the old code. Third-party packages keep their cache.
"""

from __future__ import annotations

import sys
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
)
from pathlib import Path
from types import CodeType


class _SourceLoader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code = self.source_to_code(self.get_data(path), path)
        assert isinstance(code, CodeType)
        return code


def import_from_source(root: Path) -> None:
    """From now on, modules below ``root`` outside installed packages come from their source."""
    make_finder = FileFinder.path_hook(
        (ExtensionFileLoader, EXTENSION_SUFFIXES), (_SourceLoader, SOURCE_SUFFIXES)
    )

    def hook(path: str) -> FileFinder:
        folder = Path(path)
        if not folder.is_relative_to(root) or "site-packages" in folder.parts:
            raise ImportError(path)
        finder = make_finder(path)
        assert isinstance(finder, FileFinder)
        return finder

    sys.path_hooks.insert(0, hook)
    sys.path_importer_cache.clear()
