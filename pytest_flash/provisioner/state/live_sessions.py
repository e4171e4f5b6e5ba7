"""Which sessions live, also those in other containers that share the folder.

A process id means nothing in another process namespace. So a session keeps a file in the state's
folder locked for as long as it lives, where the file system has locks that all its users see;
there a lock that is free says that its session has ended. Where nothing proves that, a session
counts as alive: an endpoint too many costs less than one that is deleted in use.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
from collections.abc import Collection, Iterator
from dataclasses import replace
from enum import Enum
from pathlib import Path

from ...errors import StateFileError
from ...files.opening import open_regular
from .disk import STATE_FILE, inside, make_private_folder, read_file, remove_unused
from .session_processes import User, boot_id, boot_of, is_session_lock, start_of, this_place

_MOUNTS = Path("/proc/self/mountinfo")
# Of one kernel alone, whose locks everybody who reaches the files sees. Not those that lead to
# another machine or out of a virtual one: locks end at their borders, or hold on one side only.
_OF_THIS_KERNEL = frozenset(
    ("bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "jfs", "nilfs2", "ntfs3")
) | frozenset(("overlay", "ramfs", "reiserfs", "tmpfs", "vfat", "xfs", "zfs"))
# include/linux/proc_ns.h, PROC_PID_INIT_INO: the namespace that sees every process.
_FIRST_NAMESPACE = 0xEFFFFFFC
_ATTEMPTS = 10
_STATE_LIMIT = 64 * 1024 * 1024


class SessionLock:
    """This process as a session of the state in a folder; ``user`` is how records name it.

    Children that are forked let go of the lock, which would outlive this process in them. Without
    ``close`` it is held until the process ends.
    """

    def __init__(self, user: User, descriptor: int | None) -> None:
        self.user = user
        self._descriptor = descriptor
        if descriptor is not None:
            os.register_at_fork(after_in_child=self.close)

    def close(self) -> None:
        """Let go of the lock: the session has ended."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            # Not unlocked, which in a forked child would unlock the parent's too.
            os.close(descriptor)


@contextlib.contextmanager
def session_in(folder: Path) -> Iterator[User]:
    """Be a session of the state in ``folder`` while the block lasts; no file of it stays behind,
    unless a record names it still, nor a folder in which nothing was ever written down.
    """
    was_there = os.path.lexists(folder)
    session = begin_session(folder)
    try:
        yield session.user
    finally:
        session.close()
        with contextlib.suppress(OSError, StateFileError):
            # The name is random, and stands there as it is.
            state = read_file(folder / STATE_FILE, _STATE_LIMIT) or b""
            if session.user.lock and session.user.lock.encode() not in state:
                with inside(folder) as opened:
                    _remove_if_free(session.user.lock, opened)
            if not was_there:
                remove_unused(folder)


def begin_session(folder: Path) -> SessionLock:
    """Make this process a session of the state in ``folder``, to its end or the lock's.

    It has no lock where the file system is not known to share locks, and where the disk refuses
    the file: its life shows to processes of its own namespace then, and for others it goes on.
    """
    user = User.current()
    with contextlib.suppress(StateFileError):  # Then nothing will be recorded either.
        make_private_folder(folder)
    if shares_locks(folder):
        with contextlib.suppress(OSError), inside(folder) as opened:
            for _ in range(_ATTEMPTS):
                name = f"session-{secrets.token_hex(8)}.lock"
                if (descriptor := _lock_new(name, opened)) is not None:
                    inode = os.fstat(descriptor).st_ino
                    return SessionLock(replace(user, lock=name, inode=inode), descriptor)
    return SessionLock(user, None)


def is_alive(user: User, folder: Path) -> bool:
    """Whether the session ``user`` of the state in ``folder`` has not ended, as far as is known."""
    lock = _probe(user, folder)
    if lock is _Lock.HELD:
        return True
    here = this_place()
    if user.place and user.place == here:
        return user.runs()
    if not user.place:
        return _may_be_alive(user, here, folder)
    # The session saw a file system of its kernel alone, or it would have no lock. So do we, and
    # there is but one such kernel at a time: this one, or one before the machine was started anew.
    return not (lock is _Lock.FREE and shares_locks(folder))


def sweep(folder: Path, used: Collection[str]) -> None:
    """Remove the locks of sessions that have ended and that no record names: not in ``used``.

    What cannot be removed stays; it does no harm.
    """
    with contextlib.suppress(OSError), inside(folder) as opened:
        for name in os.listdir(opened):  # noqa: PTH208 - of a descriptor
            if is_session_lock(name) and name not in used:
                _remove_if_free(name, opened)


class _Lock(Enum):
    HELD = "held"
    FREE = "free"
    UNKNOWN = "unknown"


def _probe(user: User, folder: Path) -> _Lock:
    if not user.lock:
        return _Lock.UNKNOWN
    try:
        with inside(folder) as opened, _opened(user.lock, os.O_RDONLY, opened) as descriptor:
            if os.fstat(descriptor).st_ino != user.inode:
                return _Lock.UNKNOWN  # Of a copy of the folder: nobody ever locks it.
            # Shared, so that those who look at the same time do not take each other for it.
            return _Lock.FREE if _try_lock(descriptor, fcntl.LOCK_SH) else _Lock.HELD
    except OSError:
        return _Lock.UNKNOWN


def _lock_new(name: str, folder: int) -> int | None:
    """A descriptor that holds the lock of a new file; None when a ``sweep`` was quicker."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
    descriptor = open_regular(name, flags, dir_fd=folder, follow=False)
    try:
        if _try_lock(descriptor, fcntl.LOCK_EX) and _is_still_there(name, descriptor, folder):
            return descriptor
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _remove_if_free(name: str, folder: int) -> None:
    with contextlib.suppress(OSError), _opened(name, os.O_RDWR, folder) as descriptor:
        if _try_lock(descriptor, fcntl.LOCK_EX):
            os.unlink(name, dir_fd=folder)


@contextlib.contextmanager
def _opened(name: str, flags: int, folder: int) -> Iterator[int]:
    descriptor = open_regular(name, flags, dir_fd=folder, follow=False)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still_there(name: str, descriptor: int, folder: int) -> bool:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(found, os.fstat(descriptor))


def _may_be_alive(user: User, here: str, folder: Path) -> bool:
    """Of a session that did not say where its id means something: by what the id proves.

    Such as those that older versions wrote down.
    """
    if not here:
        return True
    if user.runs():
        return True
    boot, _, ticks = user.started.rpartition(":")
    if not boot_of(here) or not boot_id():
        return bool(boot_of(here))  # No namespaces but this one; or Linux, where there may be.
    if boot and boot != boot_id():
        return not shares_locks(folder)  # Of this machine before it was started anew?
    if not here.endswith(f"/{_FIRST_NAMESPACE}"):
        return True
    return any(_is_process(pid, user.pid, ticks) for pid in _pids())


def _pids() -> Iterator[int]:
    return (int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit())


def _is_process(pid: int, inner: int, ticks: str) -> bool:
    """Whether ``pid``, seen from outside, is the process ``inner`` of a namespace of its own."""
    if (start_of(pid) or "").rpartition(":")[2] != ticks:
        return False
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii", "replace")
    except OSError:
        return False
    # proc(5): the ids in each namespace, from that of /proc to its own.
    found = re.search(r"^NSpid:.*?(\d+)$", status, re.MULTILINE)
    return found is None or int(found[1]) == inner


def shares_locks(folder: Path) -> bool:
    """Whether ``folder`` is on a file system whose locks are seen by all who reach it."""
    try:
        mounts = _MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
        path = os.path.realpath(folder)
    except OSError:
        return False  # Not Linux.
    best, kind = "", ""
    for line in mounts:
        # proc(5): the fifth field is where it is mounted; the type follows the separator.
        fields, _, rest = line.partition(" - ")
        point = _unescaped(fields.split()[4])
        below = path == point or path.startswith(point.rstrip("/") + "/")
        if below and len(point) >= len(best):
            best, kind = point, rest.split()[0]
    return kind in _OF_THIS_KERNEL


def _unescaped(text: str) -> str:
    return re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), text)
