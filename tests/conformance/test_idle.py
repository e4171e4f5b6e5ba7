"""Idle, nothing of it uses the processor: long polls, no busy loop."""

from __future__ import annotations

import os
from pathlib import Path

from tests.emulator.harness import Emulator, until
from tests.support.system.idle import share_of_a_busy_process
from tests.support.system.processes import descendants


def test_the_emulator_and_its_workers_wait_without_working(emulator: Emulator) -> None:
    for image in ("official/echo", "official/sync", "runpod/flash-cpu:latest"):
        endpoint = emulator.create(image=image, workers={"min": 1, "max": 1})
        until(lambda: emulator.statuses(endpoint), lambda found: found == ["IDLE"], 30)  # noqa: B023
    family = groups_of(emulator.process.pid)
    assert len(family) >= 6  # the emulator, three workers, and of two a process that pings
    assert share_of_a_busy_process(family) <= 0.25


def groups_of(pid: int) -> set[int]:
    """The processes of every group that a process, or one below it, leads."""
    leaders = {process.pid for process in descendants(pid)}
    everybody = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return {each for each in everybody if _group(each) in leaders}


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0
