"""Files that survive: swapped in whole, private, never half written."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from datetime import datetime, timezone
from pathlib import Path

from ..errors import ProvisioningError

_PRIVATE_FOLDER = 0o700
_PRIVATE_FILE = 0o600


def make_private_folder(folder: Path) -> None:
    """Make ``folder``, for this user alone and unseen by git, unless it is there.

    Raises ProvisioningError when that cannot be.
    """
    try:
        folder.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)
        with contextlib.suppress(FileExistsError), (folder / ".gitignore").open("x") as ignore:
            ignore.write("*\n")
    except OSError as error:
        raise _failure("made", folder, error) from error


def read_file(path: Path, limit: int) -> bytes | None:
    """The content of ``path``, at most ``limit`` bytes and one; None when it does not exist.

    Raises ProvisioningError when it is there and cannot be read.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ProvisioningError(f"{path} cannot be read: it is not a file; remove it")
            return file.read(limit + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failure("read", path, error) from error


def replace_file(path: Path, data: bytes) -> None:
    """Make ``data`` the content of ``path``: readers find the old content or the new, always.

    Only one process at a time may do so; what one left half written when it was killed is
    cleared by the next. Raises ProvisioningError when it fails; the old content is there then.
    """
    draft = path.with_name(path.name + ".tmp")
    try:
        draft.unlink(missing_ok=True)
        try:
            _write_through(draft, data)
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise _failure("saved", path, error) from error


def set_aside(path: Path) -> Path:
    """Rename ``path`` to a name that is free and says when: ``<name>.damaged-<UTC time>[-n]``.

    Only one process at a time may do so. Raises ProvisioningError when it fails.
    """
    now = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    first = target = path.with_name(f"{path.name}.damaged-{now}")
    number = 1
    try:
        while os.path.lexists(target):
            number += 1
            target = first.with_name(f"{first.name}-{number}")
        return path.rename(target)
    except OSError as error:
        raise _failure("set aside", path, error) from error


def _open_at_once(path: str, flags: int) -> int:
    # A pipe in the file's place would keep a plain open waiting.
    return os.open(path, flags | os.O_NONBLOCK)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, _PRIVATE_FILE)


def _write_through(path: Path, data: bytes) -> None:
    with open(path, "xb", opener=_open_private) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems have no such operation for folders, and say so like this.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _failure(what: str, path: Path, error: OSError) -> ProvisioningError:
    return ProvisioningError(
        f"{path} cannot be {what}: {error.strerror or error}. It is where pytest-flash "
        "remembers which endpoints it made; make it writable and free disk space if there is none"
    )
