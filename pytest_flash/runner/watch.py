"""Which file changes bring up new code."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec
from watchfiles import Change, awatch

from ..errors import ServerError

# Milliseconds without a further change that end a batch.
_STEP = 10
_IGNORED = (
    "__pycache__",
    "__pypackages__",
    "node_modules",
    "site-packages",
    "venv",
)
_VENV_MARK = "pyvenv.cfg"


@dataclass(frozen=True)
class WatchOptions:
    """What is watched below ``root``: Python files, ``.env`` and ``env_file``.

    Patterns are those of ``.gitignore``. What ``exclude`` matches is left out, and what
    ``include`` matches is watched even where ``.gitignore`` or its folder's name says otherwise.
    """

    root: Path
    env_file: Path | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


async def changes(options: WatchOptions) -> AsyncIterator[tuple[str, ...]]:
    """The files that changed, a batch at a time, relative to the root where possible.

    Raises ServerError when the system cannot watch that folder.
    """
    root, env_file = options.root, options.env_file
    outside = env_file is not None and not env_file.is_relative_to(root)
    watched = [root, env_file] if env_file is not None and outside else [root]
    try:
        async for batch in awatch(*watched, watch_filter=ProjectFilter(options), step=_STEP):
            yield tuple(sorted({_shown(Path(path), root) for _, path in batch}))
    except OSError as error:
        raise ServerError(
            f"{root} cannot be watched for changes: {error}; serve with --no-reload"
        ) from error


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

    def _is_source(self, change: Change, file: Path) -> bool:
        """A folder that comes counts as well: it may be a package under a new name."""
        if file.name.startswith((".#", "#")):
            return False  # What Emacs writes beside a file that is being edited.
        if file.suffix == ".py" or file.name == ".env":
            return True
        return change is Change.added and not file.suffix and any(file.glob("*.py"))

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
            self._venvs[folder] = (folder / _VENV_MARK).is_file()
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
                text = (folder / ".gitignore").read_text(encoding="utf-8", errors="replace")
                self._ignores[folder] = GitIgnoreSpec.from_lines(text.splitlines())
            except OSError:
                self._ignores[folder] = None
        return self._ignores[folder]


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
