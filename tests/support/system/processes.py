"""Processes of the system: who is alive, who started whom, and waiting for their end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Process:
    """A process by id and start time, so that a reused id is not taken for it."""

    pid: int
    started: str
    command: str = field(compare=False)

    def is_alive(self) -> bool:
        """Whether it runs; a zombie does not."""
        now = _stat(self.pid)
        return now is not None and now[1] == self.started and now[2] != "Z"


def _stat(pid: int) -> tuple[int, str, str] | None:
    """Parent, start time and state from /proc."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return int(fields[1]), fields[19], fields[0]


def descendants(pid: int) -> set[Process]:
    """Every process below ``pid``, and itself."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("needs /proc")
    found: dict[int, tuple[int, str, str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))) is not None:
            found[int(entry.name)] = stat
    wanted = {pid}
    grown = True
    while grown:
        below = {child for child, stat in found.items() if stat[0] in wanted} - wanted
        wanted |= below
        grown = bool(below)
    return {Process(each, found[each][1], _command(each)) for each in wanted if each in found}


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return "?"


def wait_until(condition: Callable[[], object], timeout: float, what: str) -> None:
    """Return once ``condition`` holds; fail after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout:g} s: {what}")
        time.sleep(0.02)  # The interval of a wait that has a deadline.


def wait_gone(processes: set[Process], timeout: float) -> None:
    """Return once all of ``processes`` ended; fail after ``timeout`` seconds."""
    wait_until(
        lambda: not any(process.is_alive() for process in processes),
        timeout,
        f"the end of {[each for each in processes if each.is_alive()]}",
    )
