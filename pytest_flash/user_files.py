"""Which source files are the user's own."""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path

# The state of a file: another one once it was saved, replaced or renamed; None where there is none.
Saved = tuple[int, ...] | None

_INSTALLED = {"site-packages", "dist-packages"}
_LIBRARY = Path(os.__file__).parent
_PYTHON = tuple(f"{each}{os.sep}" for each in {_LIBRARY, _LIBRARY.resolve()})
_OURS = f"{Path(__file__).resolve().parent}{os.sep}"


@functools.cache
def is_users_own(path: str) -> bool:
    """Whether a file or folder is the user's: not installed, not Python's, not of this package.

    A package that is installed to be edited is the user's, wherever it stands.
    """
    # The path as it is first, since following links takes a look at each folder.
    return not _is_installed(path) and not _is_installed(os.path.realpath(path))


def _is_installed(path: str) -> bool:
    inside = f"{path}{os.sep}".startswith((*_PYTHON, _OURS))
    return inside or not _INSTALLED.isdisjoint(Path(path).parts)


def is_project_file(path: Path, root: Path) -> bool:
    """Whether ``path`` is below ``root``, the project's folder, and not an installed package."""
    return path.is_relative_to(root) and "site-packages" not in path.parts


def digest(content: bytes) -> bytes:
    """What stands for a file's content, where only a difference matters."""
    return hashlib.blake2b(content, digest_size=16).digest()


def saved(file: str) -> Saved:
    """The state of ``file``."""
    try:
        found = os.stat(file)  # noqa: PTH116 - hundreds of them before each fork
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
