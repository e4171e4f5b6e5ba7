"""Which file changes bring up new code."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pathspec import GitIgnoreSpec
from watchfiles import Change, awatch
from watchfiles.main import FileChange

from ...clock import wall_time
from ...errors import ServerError
from ...files.opening import read_limited
from .files_beside import FilesBeside

T = TypeVar("T")

# A larger one counts as if it were not there: what it would ignore is watched.
_GITIGNORE_LIMIT = 1 << 20
# Milliseconds without a further change that end a batch.
_STEP = 10
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


async def changes(options: WatchOptions) -> AsyncGenerator[tuple[str, ...], None]:
    """The files that changed, a batch at a time, as relative paths where they are below.

    Folders that may not be read are not watched. Raises ServerError when the system cannot watch
    the root.
    """
    root, env_file = options.root, options.env_file
    outside = env_file is not None and not env_file.is_relative_to(root)
    watched = [root, env_file] if env_file is not None and outside else [root]
    accepts = ProjectFilter(options)
    seen, lost_since = _now(), None
    while True:
        try:
            async for batch in _watched(watched, accepts):
                found = {Path(path) for _, path in batch}
                if lost_since is not None:
                    found.update(accepts.changed_since(lost_since))
                lost_since, seen = None, _now()
                if found:
                    base = options.shown_from or root
                    yield tuple(sorted(_shown(each, base) for each in found))
        except OSError as error:
            raise ServerError(
                f"{root} cannot be watched for changes: {error}; serve with --no-reload"
            ) from error
        except Exception as error:  # Its task group wraps what the watcher raises.
            if not _is_unreadable_name(error):
                raise
            # The watcher is of no use from then on, and what else it noticed is lost.
            lost_since = seen


async def changes_beside(beside: FilesBeside) -> AsyncGenerator[tuple[str, ...], None]:
    """Those of the files outside of the project that change after they were loaded, a batch at a
    time. Raises ServerError when the system cannot watch them."""
    while True:
        await beside.more.wait()
        beside.more.clear()
        folders = beside.folders()
        try:
            async for files in _changes_in(folders, beside):
                yield files
        except OSError as error:
            raise ServerError(
                f"{', '.join(folders)} cannot be watched for changes: {error}; serve with "
                "--no-reload"
            ) from error


async def _changes_in(
    folders: Sequence[str], beside: FilesBeside
) -> AsyncGenerator[tuple[str, ...], None]:
    """As ``changes_beside``, until there are more files."""
    batches = awatch(
        *folders,
        watch_filter=lambda _, path: path in beside,
        step=_STEP,
        stop_event=beside.more,
        recursive=False,
        ignore_permission_denied=True,
    )
    waiting = asyncio.ensure_future(anext(batches, None))
    try:
        await asyncio.sleep(0)  # From here on all is noticed.
        if changed := beside.changed():
            yield changed
        while (batch := await waiting) is not None:
            yield tuple(sorted({path for _, path in batch}))
            waiting = asyncio.ensure_future(anext(batches, None))
    finally:
        waiting.cancel()


async def merged(*batches: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """What any of ``batches`` gives, as it comes; without end."""
    waiting = {asyncio.ensure_future(anext(each)): each for each in batches}
    try:
        while True:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                source = waiting.pop(each)
                yield each.result()
                waiting[asyncio.ensure_future(anext(source))] = source
    finally:
        for each in waiting:
            each.cancel()


async def _watched(
    paths: Sequence[Path], accepts: ProjectFilter
) -> AsyncGenerator[set[FileChange], None]:
    """The changes below ``paths``; the first, of none, says that from there on all are noticed."""
    batches = awatch(*paths, watch_filter=accepts, step=_STEP, ignore_permission_denied=True)
    first = asyncio.ensure_future(anext(batches))
    try:
        await asyncio.sleep(0)
        yield set()
        yield await first
    finally:
        first.cancel()
    async for batch in batches:
        yield batch


def _now() -> float:
    # Files are dated by a clock that moves in steps of up to 10 ms.
    return wall_time() - 0.02


def _is_unreadable_name(error: Exception) -> bool:
    """Whether the watcher met a name that is no UTF-8, in whatever folder."""
    inner = getattr(error, "exceptions", (error,))
    # The class of it is private; it is a RuntimeError.
    return any(isinstance(each, RuntimeError) and "decode path" in str(each) for each in inner)


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


def _shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
