"""Which sessions live: processes, told apart from later ones that were given the same id."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_BOOT_ID = _PROC / "sys/kernel/random/boot_id"
_PS_SECONDS = 5.0
# Zombie and dead, in proc(5) and ps(1) alike.
_ENDED = ("Z", "X", "x")


@dataclass(frozen=True)
class User:
    """A process by its id and its start, in the system's own notation.

    ``started`` is empty where the system does not tell; the id alone counts then.
    """

    pid: int
    started: str

    def __post_init__(self) -> None:
        if self.pid < 1:
            # 0 and negative numbers mean groups of processes to the system.
            raise ValueError(f"{self.pid} is not the id of a process")

    @classmethod
    def current(cls) -> User:
        """This process."""
        return cls(os.getpid(), start_of(os.getpid()) or "")

    def is_alive(self) -> bool:
        """Whether this very process runs; one that has ended and is not yet reaped does not."""
        started = start_of(self.pid)
        if started is None:
            return False
        return not started or not self.started or started == self.started


def start_of(pid: int) -> str | None:
    """When the process ``pid`` started: None if it does not run, empty if nothing says."""
    if (_PROC / "self/stat").exists():
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
        return None
    # proc(5): the name in brackets may hold spaces; behind it stand fields 3 and on.
    fields = stat.rpartition(b")")[2].decode("ascii").split()
    state, ticks = fields[0], fields[19]
    return None if state in _ENDED else f"{_boot_id()}:{ticks}"


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        # Some sandboxes hide it. The ticks alone tell processes of one boot apart.
        return ""


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
