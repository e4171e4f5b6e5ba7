"""Locks between processes and threads; the lock of a process that dies releases by itself."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import ProvisioningError
from .users import start_of

_PRIVATE = 0o600


@contextlib.contextmanager
def held(path: Path, *, what: str, timeout: float, poll: float = 0.05) -> Iterator[None]:
    """Hold the lock file ``path`` for the length of the block; ``what`` it is for, in words.

    Waits at most ``timeout`` seconds and looks every ``poll`` seconds. Not to be nested: the
    thread that holds it would wait for itself. Raises ProvisioningError that names the holder
    at the deadline, and when the file cannot be used.
    """
    # One for each use: an instance that is shared lets a second thread pass.
    lock = FileLock(path, timeout=timeout, mode=_PRIVATE, thread_local=False)
    try:
        lock.acquire(poll_interval=poll)
    except Timeout:
        raise ProvisioningError(
            f"{what}: waited {timeout:g} s for {_holder(path)}, which holds {path}; see what it "
            "does, or end it: the lock is free when it is gone"
        ) from None
    except OSError as error:
        raise ProvisioningError(
            f"{what}: {path} cannot be locked: {error.strerror or error}"
        ) from error
    try:
        with _signed(path):
            yield
    finally:
        lock.release()


@contextlib.contextmanager
def _signed(path: Path) -> Iterator[None]:
    """Leave this process's id beside the lock, for the message of those who wait in vain."""
    signature = _signature(path)
    # Only the message is poorer without: no reason to fail on a full disk.
    with contextlib.suppress(OSError):
        signature.write_text(f"{os.getpid()}\n", "ascii")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            signature.unlink()


def _holder(path: Path) -> str:
    try:
        pid = int(_signature(path).read_text("ascii"))
    except (OSError, ValueError):
        return "another process"
    if pid == os.getpid():
        return "another thread of this process"
    # Left by one that was killed, while the holder has not signed yet.
    return "another process" if start_of(pid) is None else f"process {pid}"


def _signature(path: Path) -> Path:
    return path.with_name(path.name + ".pid")
