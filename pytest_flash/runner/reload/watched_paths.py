"""Which files of a project are watched: Python files, ``.env`` and what patterns say, without
what ``.gitignore`` leaves out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec
from watchfiles import Change

from ...files.opening import read_limited

# A larger one counts as if it were not there: what it would ignore is watched.
_GITIGNORE_LIMIT = 1 << 20
_IGNORED = (
    "__pycache__",
    "__pypackages__",
    "node_modules",
    "site-packages",
    "venv",
)
# In a folder that comes whole; deeper would be slow to look for.
_SOURCES = ("*.py", "*/*.py", "*/*/*.py")
_VENV_MARK = "pyvenv.cfg"


@dataclass(frozen=True)
class WatchOptions:
    """What is watched below ``root``: Python files, ``.env`` and ``env_file``.

    Patterns are those of ``.gitignore``. What ``exclude`` matches is left out, and what
    ``include`` matches is watched even where ``.gitignore`` or its folder's name says otherwise.
    Files are named as seen from ``shown_from``, by default ``root``.
    """

    root: Path
    env_file: Path | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    shown_from: Path | None = None


class ProjectFilter:
    """Whether a changed path brings up new code."""

    def __init__(self, options: WatchOptions) -> None:
        self._root = options.root
        self._env_file = options.env_file
        self._include = GitIgnoreSpec.from_lines(options.include)
        self._exclude = GitIgnoreSpec.from_lines(options.exclude)
        self._ignores: dict[Path, GitIgnoreSpec | None] = {}
        self._venvs: dict[Path, bool] = {}

    def __call__(self, change: Change, path: str) -> bool:
        """As ``watchfiles`` asks."""
        file = Path(path)
        if file.name == ".gitignore":
            self._ignores.pop(file.parent, None)
        if file == self._env_file:
            return True
        if not file.is_relative_to(self._root):
            return False
        relative = file.relative_to(self._root).as_posix()
        if self._exclude.match_file(relative):
            return False
        if self._include.match_file(relative):
            return True
        return self._is_source(change, file) and not self._is_ignored(file)

    def changed_since(self, moment: float) -> Iterator[Path]:
        """The watched files that came or changed since ``moment``, seconds since the epoch."""
        for folder, folders, names in os.walk(self._root):
            here = Path(folder)
            folders[:] = [each for each in folders if not self._is_ignored(here / each / "x.py")]
            for file in (here / name for name in names):
                if self(Change.modified, str(file)) and _changed_at(file) >= moment:
                    yield file

    def _is_source(self, change: Change, file: Path) -> bool:
        """A folder that comes counts as well: it may be a package under a new name."""
        if file.name.startswith((".#", "#")) or not file.name.isprintable():
            return False  # What Emacs writes beside a file that is being edited; no module's name.
        if file.suffix == ".py" or file.name == ".env":
            return True
        comes = change is Change.added and not file.suffix and not self._is_ignored(file / "x.py")
        return comes and _holds_source(file)

    def _is_ignored(self, file: Path) -> bool:
        folders = [self._root, *_between(self._root, file)]
        names = {folder.name for folder in folders[1:]}
        hidden = any(name.startswith(".") for name in names)
        if hidden or names.intersection(_IGNORED) or any(map(self._is_venv, folders)):
            return True
        # It holds secrets, so it is hardly ever in the repository.
        return file.name != ".env" and self._is_ignored_by_git(file)

    def _is_venv(self, folder: Path) -> bool:
        if folder == self._root:
            return False
        if folder not in self._venvs:
            self._venvs[folder] = os.access(folder / _VENV_MARK, os.F_OK)
        return self._venvs[folder]

    def _is_ignored_by_git(self, file: Path) -> bool:
        """The last pattern that matches decides, those of deeper folders after the others."""
        ignored = False
        for folder in [*_repository(self._root), *_between(self._root, file)]:
            spec = self._patterns(folder)
            if spec is not None:
                include = spec.check_file(file.relative_to(folder).as_posix()).include
                ignored = ignored if include is None else include
        return ignored

    def _patterns(self, folder: Path) -> GitIgnoreSpec | None:
        if folder not in self._ignores:
            try:
                text = read_limited(folder / ".gitignore", _GITIGNORE_LIMIT)
                lines = text.decode("utf-8", "replace").splitlines()
                self._ignores[folder] = GitIgnoreSpec.from_lines(lines)
            except OSError:
                self._ignores[folder] = None
        return self._ignores[folder]


def _holds_source(folder: Path) -> bool:
    return any(any(folder.glob(pattern)) for pattern in _SOURCES)


def _changed_at(file: Path) -> float:
    try:
        return file.stat().st_ctime  # Renaming a file sets this alone.
    except OSError:
        return 0.0  # It is gone again.


def _between(root: Path, file: Path) -> Iterable[Path]:
    """The folders below ``root`` that hold ``file``, from the top."""
    parents = [each for each in file.parents if each != root and each.is_relative_to(root)]
    return reversed(parents)


def _repository(root: Path) -> tuple[Path, ...]:
    """``root`` and the folders above it in the same repository, from the top."""
    for number, folder in enumerate((root, *root.parents)):
        if (folder / ".git").exists():
            return tuple(reversed((root, *root.parents)[: number + 1]))
    return (root,)
