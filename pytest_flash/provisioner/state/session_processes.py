"""Which process a session is, told apart from later ones that were given the same id."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_BOOT_ID = _PROC / "sys/kernel/random/boot_id"
_PS_SECONDS = 5.0
# Zombie and dead, in proc(5) and ps(1) alike.
_ENDED = ("Z", "X", "x")
_LOCK = re.compile(r"session-[0-9a-f]{16}\.lock")


@dataclass(frozen=True)
class User:
    """A process by its id and its start, in the system's own notation.

    ``started`` is empty where the system does not tell; the id alone counts then. ``place`` is
    where the id means this process (a kernel and a process namespace), empty where that is not
    known. ``lock`` names the file in the state's folder that the process keeps locked for as long
    as it lives, empty where it has none; ``inode`` tells that file from copies of it.
    """

    pid: int
    started: str
    place: str = ""
    lock: str = ""
    inode: int = 0

    def __post_init__(self) -> None:
        if self.pid < 1:
            # 0 and negative numbers mean groups of processes to the system.
            raise ValueError(f"{self.pid} is not the id of a process")
        if self.lock and not is_session_lock(self.lock):
            raise ValueError(f"{self.lock!r} is not the name of a session's lock")

    @classmethod
    def current(cls) -> User:
        """This process, without a lock."""
        here = this_place()
        # A /proc of other processes knows this one by another id.
        started = start_of(os.getpid()) if here else None
        return cls(os.getpid(), started or "", here)

    def runs(self) -> bool:
        """Whether this very process runs; one that has ended and is not yet reaped does not.

        Only where the id means anything: in ``place``.
        """
        started = start_of(self.pid)
        if started is None:
            return False
        return not started or not self.started or started == self.started


def is_session_lock(name: str) -> bool:
    """Whether a file called ``name`` is the lock of a session."""
    return _LOCK.fullmatch(name) is not None


def this_place() -> str:
    """Where process ids mean what they do here; empty where that cannot be told.

    On Linux it is the boot's id and the process namespace, elsewhere the machine's name.
    """
    try:
        if str((_PROC / "self").readlink()) != str(os.getpid()):
            return ""  # /proc shows the processes of another namespace.
        namespace = (_PROC / "self/ns/pid").stat().st_ino
    except OSError:
        return "" if _has_proc() else f"host {platform.node()}"
    boot = boot_id() or _boot_time()
    return f"{boot}/{namespace}" if boot else ""


def boot_of(place: str) -> str:
    """The boot that ``place`` is of; empty where it has none."""
    return place.rpartition("/")[0]


def boot_id() -> str:
    """What tells this boot of this kernel from any other; empty where the system hides it."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        # Some sandboxes hide it. The ticks alone tell processes of one boot apart.
        return ""


def _boot_time() -> str:
    """For sandboxes that hide the boot's id: the machine's name and the second of its start."""
    try:
        text = (_PROC / "stat").read_text("ascii")
    except OSError:
        return ""
    found = re.search(r"^btime (\d+)$", text, re.MULTILINE)
    return f"{platform.node()}@{found[1]}" if found else ""


def start_of(pid: int) -> str | None:
    """When the process ``pid`` started: None if it does not run, empty if nothing says."""
    if _has_proc():
        return start_in_proc(pid)
    try:
        return start_by_ps(pid)
    except (OSError, subprocess.SubprocessError):
        return start_by_signal(pid)


def start_in_proc(pid: int) -> str | None:
    """Linux: the boot's id and the clock ticks from boot to start, ``<uuid>:8128``."""
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        # With the mount option hidepid those of other users are not shown.
        return start_by_signal(pid)
    # proc(5): the name in brackets may hold spaces; behind it stand fields 3 and on.
    fields = stat.rpartition(b")")[2].decode("ascii").split()
    state, ticks = fields[0], fields[19]
    return None if state in _ENDED else f"{boot_id()}:{ticks}"


def start_by_ps(pid: int) -> str | None:
    """macOS and the BSDs: the start as ``ps`` prints it, to the second, in UTC.

    Raises OSError or subprocess.SubprocessError where ``ps`` is missing or hangs.
    """
    answer = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_PS_SECONDS,
        check=False,
        # lstart is in local time and the user's language.
        env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
    )
    state, *started = answer.stdout.split() or [""]
    return None if not state or state.startswith(_ENDED) else " ".join(started)


def start_by_signal(pid: int) -> str | None:
    """Anywhere: empty if some process has this id, else None."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return ""
    except (ProcessLookupError, OverflowError):
        return None
    return ""


def _has_proc() -> bool:
    return (_PROC / "self/stat").exists()
