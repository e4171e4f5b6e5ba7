"""Locks between processes and threads; the lock of a process that dies releases by itself."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from ...clock import monotonic
from ...errors import ProvisioningError, StateFileError
from ...files.opening import open_regular, read_limited
from .disk import inside, put_note, remove_note, state_file_error
from .session_processes import start_of

_PRIVATE = 0o600
_SIGNATURE_LIMIT = 32


@contextlib.contextmanager
def held(path: Path, *, what: str, timeout: float, poll: float = 0.05) -> Iterator[None]:
    """Hold the lock file ``path`` for the length of the block; ``what`` it is for, in words.

    Waits at most ``timeout`` seconds and looks every ``poll`` seconds. Not to be nested: the
    thread that holds it would wait for itself. Raises ProvisioningError that names the holder
    at the deadline, and StateFileError when the file cannot be used.
    """
    # One for each use: an instance that is shared lets a second thread pass.
    lock = FileLock(path, mode=_PRIVATE, thread_local=False)
    try:
        _require_lockable(path)
        _acquire(lock, monotonic() + timeout, poll)
    except Timeout:
        raise ProvisioningError(
            f"{what}: waited {timeout:g} s for {_holder(path)}, which holds {path}; see what it "
            "does, or end it: the lock is free when it is gone"
        ) from None
    except OSError as error:
        raise state_file_error("locked", path, error) from error
    except NotImplementedError as error:  # How filelock says that this file system has no locks.
        raise StateFileError(f"{path} cannot be locked: {error}") from error
    try:
        with _signed(path):
            yield
    finally:
        lock.release()


def _acquire(lock: BaseFileLock, until: float, poll: float) -> None:
    """Raises Timeout at the time ``until``: filelock's own goes by a clock that tests replace."""
    while True:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            if monotonic() >= until:
                raise
            time.sleep(poll)
        else:
            return


def _require_lockable(path: Path) -> None:
    """Make the lock file, unless it is there. Raises OSError where something else is.

    Older versions of filelock follow links and empty what they lead to; newer ones lock pipes.
    """
    with inside(path.parent) as folder:
        flags = os.O_RDWR | os.O_CREAT
        os.close(open_regular(path.name, flags, mode=_PRIVATE, dir_fd=folder, follow=False))


@contextlib.contextmanager
def _signed(path: Path) -> Iterator[None]:
    """Leave this process's id beside the lock, for the message of those who wait in vain."""
    signature = _signature(path)
    # Only the message is poorer without: no reason to fail on a full disk.
    with contextlib.suppress(OSError):
        put_note(signature, f"{os.getpid()}\n")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            remove_note(signature)


def _holder(path: Path) -> str:
    signature = _signature(path)
    try:
        with inside(path.parent) as folder:
            text = read_limited(signature.name, _SIGNATURE_LIMIT, dir_fd=folder, follow=False)
        pid = int(text.decode("ascii"))
    except (OSError, ValueError):
        return "another process"
    if pid == os.getpid():
        return "another thread of this process"
    # Left by one that was killed, while the holder has not signed yet.
    return "another process" if start_of(pid) is None else f"process {pid}"


def _signature(path: Path) -> Path:
    return path.with_name(path.name + ".pid")
