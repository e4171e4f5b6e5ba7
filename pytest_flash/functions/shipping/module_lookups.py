"""Looking for modules without importing them, and whether what was found still holds."""

from __future__ import annotations

import importlib.machinery
import sys

from ...user_files import Saved, saved


class Lookups:
    """What was asked about modules since it was made, to notice when answers may be others."""

    def __init__(self) -> None:
        self._loaded: dict[str, object] = {}
        self._folders: dict[str, Saved] = {}
        self._where = _where_modules_are()

    def is_loaded(self, name: str) -> bool:
        """Whether the module ``name`` is imported here."""
        found = self._loaded[name] = sys.modules.get(name)
        return found is not None

    def still_hold(self) -> bool:
        """Whether the same modules are imported, of those asked for, and no file was made or
        deleted where others were looked for."""
        loaded = sys.modules.get
        return (
            all(loaded(name) is module for name, module in self._loaded.items())
            and self._where == _where_modules_are()
            and all(saved(folder) == state for folder, state in self._folders.items())
        )

    def spec(self, name: str) -> importlib.machinery.ModuleSpec | None:
        """The spec of ``name``, found without importing what is above it."""
        path: list[str] | None = None
        spec = None
        for each in with_parents(name):
            loaded = sys.modules.get(each)
            if loaded is not None and each != name:
                found = getattr(loaded, "__path__", None)
            else:
                spec = self._ask_finders(each, path)
                found = spec.submodule_search_locations if spec is not None else None
                if spec is None:
                    return None
            path = list(found) if found is not None else []
        return spec

    def _ask_finders(
        self, name: str, path: list[str] | None
    ) -> importlib.machinery.ModuleSpec | None:
        for folder in map(_folder, sys.path if path is None else path):
            if folder not in self._folders:
                self._folders[folder] = saved(folder)
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            try:
                spec = find(name, path) if find is not None else None
            except (ImportError, ValueError):
                continue
            if spec is not None:
                return spec  # type: ignore[no-any-return]
        return None


def with_parents(name: str) -> list[str]:
    """``a.b.c`` as ``a``, ``a.b`` and ``a.b.c``."""
    parts = name.split(".")
    return [".".join(parts[: index + 1]) for index in range(len(parts))]


def _where_modules_are() -> tuple[object, ...]:
    return (*sys.path, *map(id, sys.meta_path))


def _folder(entry: str) -> str:
    return entry or "."  # As the import system reads an empty entry.
