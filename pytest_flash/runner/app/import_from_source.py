"""Importing the user's own files from source, never from cached bytecode.

Cached bytecode is valid while size and modification second are the same, so a save that changes
neither would run the old code. Installed packages keep their cache.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from ...user_files import Saved, digest, is_project_file, is_users_own, saved


@dataclass
class Imports:
    """The project's files that were imported, and those that raised while they were.

    ``outside`` are the user's own files that stand elsewhere, as they were saved when they were
    imported; ``on_outside`` is called when there is one more. ``digests`` are those of what was
    loaded, by file; ``on_digest`` is called likewise.
    """

    files: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    outside: dict[str, Saved] = field(default_factory=dict)
    on_outside: Callable[[dict[str, Saved]], object] = field(default=lambda _: None)
    digests: dict[str, bytes] = field(default_factory=dict)
    on_digest: Callable[[dict[str, bytes]], object] = field(default=lambda _: None)


class _SourceLoader(SourceFileLoader):
    """``flash_source`` is what it has loaded: what is on disk later may be something else."""

    def __init__(self, fullname: str, path: str, root: Path, imports: Imports) -> None:
        super().__init__(fullname, path)
        self._root = root
        self._imports = imports
        self.flash_source: bytes | None = None

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        self._note(path)
        data = self.get_data(path)
        code = self.source_to_code(data, path)
        assert isinstance(code, CodeType)
        self.flash_source = data
        self._imports.digests[path] = digest(data)
        self._imports.on_digest({path: self._imports.digests[path]})
        return code

    def exec_module(self, module: ModuleType) -> None:
        project = is_project_file(Path(self.path), self._root)
        try:
            super().exec_module(module)
        except BaseException:
            if project:
                self._imports.failed.add(self.path)
            raise
        if project:
            self._imports.files.add(self.path)

    def _note(self, path: str) -> None:
        if Path(path).is_relative_to(self._root) and not os.path.islink(path):  # noqa: PTH114
            return
        real = os.path.realpath(path)
        if not Path(real).is_relative_to(self._root):
            self._imports.outside[real] = saved(real)
            self._imports.on_outside({real: self._imports.outside[real]})


class _SourceFinder(MetaPathFinder):
    """Asks the other finders, and loads what is the user's own in its way."""

    def __init__(self, root: Path, before: Callable[[str], object]) -> None:
        self.root = root
        self.imports = Imports()
        self.before = before

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """As the import system asks."""
        spec = self._found(name, path, target)
        if spec is None or spec.origin is None or not spec.has_location:
            return spec
        self.before(spec.origin)
        own = is_project_file(Path(spec.origin), self.root) or is_users_own(spec.origin)
        if own and type(spec.loader) is SourceFileLoader:
            spec.loader = _SourceLoader(name, spec.origin, self.root, self.imports)
        return spec

    def _found(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        behind = sys.meta_path[sys.meta_path.index(self) + 1 :]
        for finder in behind:
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find is not None else None
            if spec is not None:
                return spec  # type: ignore[no-any-return]
        return None


def import_from_source(root: Path, before: Callable[[str], object] = lambda _: None) -> Imports:
    """From now on, the user's own modules come from their source: those below ``root``, and
    others that are not installed. What it gives grows with them.

    ``before`` is told each file before it is loaded, installed ones too.
    """
    for finder in sys.meta_path:
        if isinstance(finder, _SourceFinder) and finder.root == root:
            finder.before = before
            return finder.imports
    finder = _SourceFinder(root, before)
    sys.meta_path.insert(0, finder)
    return finder.imports
