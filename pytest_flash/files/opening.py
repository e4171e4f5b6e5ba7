"""Opening files that somebody else may have put there: nothing waits, and nothing grows endless.

A cloned repository can hold a named pipe or a link to a device where a file is expected. Opening
a pipe waits for whoever is at its other end, and a device has no end.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

_MIB = 1 << 20

# In the order of how likely they are to be there by mistake.
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def kind_of(mode: int) -> str:
    """What ``st_mode`` stands for, in words; empty for a regular file."""
    if stat.S_ISREG(mode):
        return ""
    return next((kind for matches, kind in _KINDS if matches(mode)), "of an unknown kind")


def open_regular(
    path: str | os.PathLike[str],
    flags: int = os.O_RDONLY,
    *,
    mode: int = 0o600,
    dir_fd: int | None = None,
    follow: bool = True,
) -> int:
    """A descriptor of the regular file at ``path``; never waits, and never opens anything else.

    ``flags``, ``mode`` (of a file that is made) and ``dir_fd`` as for ``os.open``. Without
    ``follow`` a symbolic link is refused as well. Raises OSError, whose ``strerror`` says what is
    there instead.
    """
    if not flags & os.O_EXCL:
        # Before opening: for some devices that has an effect. What is not there may be made; if
        # not, opening it raises the same.
        with contextlib.suppress(FileNotFoundError):
            _require_regular(os.stat(path, dir_fd=dir_fd, follow_symlinks=follow), path)
    flags |= os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    if not follow:
        flags |= os.O_NOFOLLOW
    descriptor = os.open(path, flags, mode, dir_fd=dir_fd)
    try:
        _require_regular(os.fstat(descriptor), path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_limited(
    path: str | os.PathLike[str], limit: int, *, dir_fd: int | None = None, follow: bool = True
) -> bytes:
    """The content of a regular file; raises OSError as ``open_regular``, and above ``limit`` bytes.

    No more than that is ever read.
    """
    with os.fdopen(open_regular(path, dir_fd=dir_fd, follow=follow), "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"it is larger than {limit / _MIB:g} MiB", str(path))
    return data


def read_text_limited(path: Path, limit: int) -> str:
    """As ``read_limited``, as UTF-8. Raises UnicodeDecodeError too."""
    return read_limited(path, limit).decode("utf-8")


def _require_regular(found: os.stat_result, path: str | os.PathLike[str]) -> None:
    kind = kind_of(found.st_mode)
    if kind:
        number = errno.ELOOP if stat.S_ISLNK(found.st_mode) else errno.EINVAL
        raise OSError(number, f"it is {kind}, not a regular file", str(path))
