"""Files that survive: swapped in whole, private, never half written.

What lies in the folder may come from a cloned repository, so it is reached through a descriptor
of the folder itself: no symbolic link is followed there, and nothing but regular files is opened.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ...clock import utc_now
from ...errors import StateFileError
from ...files.opening import kind_of, open_regular, read_limited

FOLDER = ".runpod"
"""The folder, in the project's."""
STATE_FILE = "resources.pkl"

_PRIVATE_FOLDER = 0o700
_PRIVATE_FILE = 0o600
_GITIGNORE, _IGNORED = ".gitignore", b"*\n"


def make_private_folder(folder: Path) -> None:
    """Make ``folder``, for this user alone and unseen by git, unless it is there.

    Raises StateFileError when that cannot be, and when a link or anything else is in its place.
    """
    try:
        try:
            _make_folder(folder)
        except FileNotFoundError:
            _make_folder(folder)  # ``remove_unused`` was between the two steps.
    except OSError as error:
        raise state_file_error("made", folder, error) from error


def remove_unused(folder: Path) -> None:
    """Remove ``folder`` if nothing was ever written down in it. Raises OSError."""
    with inside(folder) as opened:
        if os.listdir(opened) != [_GITIGNORE]:  # noqa: PTH208 - of a descriptor
            return
        if read_limited(_GITIGNORE, 100, dir_fd=opened, follow=False) != _IGNORED:
            return
        _unlink(_GITIGNORE, opened)
    try:
        folder.rmdir()
    except OSError:
        _make_folder(folder)  # Somebody has written something down just now.


def _make_folder(folder: Path) -> None:
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=_PRIVATE_FOLDER)
    with inside(folder) as opened, contextlib.suppress(FileExistsError):
        _make_file(_GITIGNORE, _IGNORED, opened)


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[int]:
    """A descriptor of ``folder``, for ``dir_fd``. Raises OSError where it is not a folder."""
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode):
        kind = kind_of(found.st_mode) or "a file"
        raise OSError(errno.ENOTDIR, f"it is {kind}, not a folder", str(folder))
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def read_file(path: Path, limit: int) -> bytes | None:
    """The content of ``path``, at most ``limit`` bytes and one; None when it does not exist.

    Raises StateFileError when it is there and cannot be read.
    """
    try:
        with inside(path.parent) as folder:
            descriptor = open_regular(path.name, dir_fd=folder, follow=False)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(limit + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise state_file_error("read", path, error) from error


def replace_file(path: Path, data: bytes) -> None:
    """Make ``data`` the content of ``path``: readers find the old content or the new, always.

    Only one process at a time may do so; what one left half written when it was killed is
    cleared by the next. Raises StateFileError when it fails; the old content is there then.
    """
    draft = path.name + ".tmp"
    try:
        with inside(path.parent) as folder:
            _unlink(draft, folder)
            try:
                _make_file(draft, data, folder, sync=True)
                os.replace(draft, path.name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                _unlink(draft, folder)
                raise
            _sync_folder(folder)
    except OSError as error:
        raise state_file_error("saved", path, error) from error


def set_aside(path: Path) -> Path:
    """Rename ``path`` to a name that is free and says when: ``<name>.damaged-<UTC time>[-n]``.

    Only one process at a time may do so. Raises StateFileError when it fails.
    """
    now = utc_now().strftime("%Y%m%dT%H%M%SZ")
    first = target = f"{path.name}.damaged-{now}"
    number = 1
    try:
        with inside(path.parent) as folder:
            while _is_there(target, folder):
                number += 1
                target = f"{first}-{number}"
            os.rename(path.name, target, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError as error:
        raise state_file_error("set aside", path, error) from error
    return path.with_name(target)


def put_note(path: Path, text: str) -> None:
    """Make ``text`` the content of ``path``, for readers that can do without. Raises OSError."""
    with inside(path.parent) as folder:
        _unlink(path.name, folder)
        _make_file(path.name, text.encode("ascii"), folder)


def remove_note(path: Path) -> None:
    """Remove ``path`` if it is there. Raises OSError."""
    with inside(path.parent) as folder:
        _unlink(path.name, folder)


def state_file_error(what: str, path: Path, error: OSError) -> StateFileError:
    """``error``, which says that ``path`` cannot be ``what``, as people read it."""
    reason = error.strerror or str(error)
    if error.errno in (errno.ELOOP, errno.EINVAL, errno.ENOTDIR):
        remedy = "Nothing of ours makes one there: see where it comes from, and remove it"
    else:
        remedy = "Make it writable, and free disk space if there is none"
    return StateFileError(
        f"{path} cannot be {what}: {reason}. It is where pytest-flash remembers which endpoints "
        f"it made. {remedy}"
    )


def _make_file(name: str, data: bytes, folder: int, *, sync: bool = False) -> None:
    """A new file with ``data``; none is there when it cannot be made. Raises FileExistsError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    descriptor = open_regular(name, flags, mode=_PRIVATE_FILE, dir_fd=folder, follow=False)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if sync:
                os.fsync(file.fileno())
    except BaseException:
        _unlink(name, folder)
        raise


def _unlink(name: str, folder: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def _is_there(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _sync_folder(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems have no such operation for folders, and say so like this.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
