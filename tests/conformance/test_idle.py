"""Idle, nothing of it uses the processor: long polls, no busy loop."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.emulator.harness import Emulator, until
from tests.support.processes import descendants

# In ticks of the processor, a hundred a second.
_MEASURED = 100
_ALLOWED = _MEASURED // 4


def test_the_emulator_and_its_workers_wait_without_working(emulator: Emulator) -> None:
    for image in ("official/echo", "official/sync", "runpod/flash-cpu:latest"):
        endpoint = emulator.create(image=image, workers={"min": 1, "max": 1})
        until(lambda: emulator.statuses(endpoint), lambda found: found == ["IDLE"], 30)  # noqa: B023
    family = groups_of(emulator.process.pid)
    assert len(family) >= 6  # the emulator, three workers, and of two a process that pings
    # Measured by a process that does nothing but work, so that a busy machine changes nothing: it
    # gets as much of the processor as one of them that does not wait.
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        try:
            before = ticks(family)
            until(lambda: ticks({busy.pid}), lambda used: used >= _MEASURED, 60)
            used = ticks(family) - before
        finally:
            busy.kill()
    assert used <= _ALLOWED


def groups_of(pid: int) -> set[int]:
    """The processes of every group that a process, or one below it, leads."""
    leaders = {process.pid for process in descendants(pid)}
    everybody = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return {each for each in everybody if _stat(each)[0] in leaders}


def ticks(pids: set[int]) -> int:
    """The time that processes have used."""
    hundredths = os.sysconf("SC_CLK_TCK") / 100
    return int(sum(_stat(pid)[1] for pid in pids) / hundredths)


def _stat(pid: int) -> tuple[int, int]:
    """Group, and time used in the user's and the system's mode (proc(5))."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0
    return int(fields[2]), int(fields[11]) + int(fields[12])
