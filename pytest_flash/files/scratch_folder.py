"""Temporary folders that go with their process: those that killed ones left, with the next."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .opening import open_regular

_LOCK = "lock"


@contextlib.contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """A new folder for as long as the context lasts, whose name begins with ``prefix``. Removes
    what dead processes left under such names, too.

    Its lock is held while it is in use; the system lets go of it when this process dies.
    """
    parent = Path(tempfile.gettempdir())
    _sweep(parent, prefix)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    # Locked before it gets its name: without that name no sweep touches the folder.
    unnamed = folder / "new"
    lock = os.open(unnamed, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        unnamed.rename(folder / _LOCK)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _is_ours(folder: Path) -> bool:
    """Whoever can write in the folder of temporary files may make others of this name."""
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def _sweep(parent: Path, prefix: str) -> None:
    for folder in parent.glob(f"{prefix}*"):
        try:
            if not _is_ours(folder):
                continue
            lock = open_regular(folder / _LOCK, os.O_RDWR, follow=False)
        except OSError:
            continue  # one that is just being made, or is gone again
        try:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
