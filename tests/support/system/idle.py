"""Whether processes wait without working, told in a way that a busy machine does not change."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from tests.support.system.processes import wait_until

# In hundredths of a second of processor time.
_MEASURED = 50

# Until its parent has ended: also where that is killed.
_WORK = """
import os
parent = os.getppid()
while os.getppid() == parent:
    pass
"""


def share_of_a_busy_process(pids: Collection[int]) -> float:
    """How much ``pids`` work together, where 1 is a process beside them that only works.

    That process gets as much of the processor as one of them that does not wait.
    """
    with subprocess.Popen([sys.executable, "-c", _WORK]) as busy:
        try:
            before = _used(pids)
            wait_until(lambda: _used([busy.pid]) >= _MEASURED, 60, "half a second of work")
            return (_used(pids) - before) / _used([busy.pid])
        finally:
            busy.kill()


def _used(pids: Collection[int]) -> float:
    per_hundredth = os.sysconf("SC_CLK_TCK") / 100
    return sum(map(_ticks, pids)) / per_hundredth


def _ticks(pid: int) -> int:
    """The time used in the user's and the system's mode (proc(5))."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(fields[11]) + int(fields[12])
