"""How processes end. Standard library only; cheap to import."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from ..clock import monotonic

_POLL = 0.005


def how_it_ended(code: int) -> str:
    """A return code in words, such as ``was killed by SIGKILL``."""
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def is_stopped(pid: int) -> bool:
    """Whether a process is stopped, by SIGSTOP, Ctrl-Z or a debugger. Linux alone tells."""
    return _state(pid) in ("T", "t")


def has_ended(pid: int) -> bool:
    """Whether a process has ended, also where its parent has not asked how. Linux alone tells."""
    return _state(pid) in ("Z", "X", "")


def _state(pid: int) -> str | None:
    """The state of a process in proc(5), empty for one that is gone; None where none can tell."""
    if sys.platform != "linux":
        return None
    try:
        # The state follows the name, which may hold anything.
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    except OSError:
        return None
    return stat.rpartition(b")")[2].split()[0].decode()


def ends_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether ``process`` ends within so long, and reap it then.

    ``Popen.wait`` goes by a clock that tests replace.
    """
    until = monotonic() + seconds
    while process.poll() is None:
        if monotonic() >= until:
            return False
        time.sleep(_POLL)
    return True


def await_end(process: subprocess.Popen[bytes]) -> None:
    """Block until ``process`` has ended, and leave it to others to reap it where that is possible.

    Until it is reaped its id is not used again. And ``Popen.wait`` would hold a lock that makes
    ``Popen.poll`` in other threads miss the end for a moment.
    """
    if process.returncode is not None:
        return
    if hasattr(os, "waitid"):
        with contextlib.suppress(ChildProcessError):  # reaped meanwhile
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    else:
        process.wait()
