"""Processes whose parent has died: taken over by this process, and ended. Linux alone can."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path

from ..clock import monotonic

# prctl(2)
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37

# A process that was killed is gone when its last thread is.
_ENDING = 2.0
_LOOK = 0.005


def adopt_orphans() -> None:
    """From now on become the parent of descendants whose own parent has died."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Be killed when the process that started this one ends."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def at_death_of_parent(act: Callable[[], object]) -> None:
    """Call ``act`` when the process that started this one is gone, as a handler of SIGUSR2."""
    if sys.platform == "linux":
        signal.signal(signal.SIGUSR2, lambda *_: act())
        _prctl(_PR_SET_PDEATHSIG, signal.SIGUSR2)


def children_of(parent: int) -> set[int]:
    """The living children of ``parent``; empty where there is no /proc."""
    return {pid for pid, state, _ in _children(parent) if state != b"Z"}


class Adopted:
    """The children that this process did not start, until it is closed.

    Those of its own session: others, such as what the emulator's workers leave, end by other means.
    """

    def __init__(self) -> None:
        self._before = {pid for pid, *_ in _children(os.getpid())}
        self._session = os.getsid(0)
        self._goes_on = _adopts_orphans()
        adopt_orphans()

    def close(self) -> None:
        """Adopt no more, unless this process did so before."""
        if not self._goes_on:
            _prctl(_PR_SET_CHILD_SUBREAPER, 0)

    def end(self, own: Collection[int]) -> None:
        """Kill them, and what comes to this process as they end; all but ``own``.

        Returns when they are gone, or after 2 s.
        """
        deadline = monotonic() + _ENDING
        while (found := self._found(own)) and monotonic() < deadline:
            for pid, state, _ in found:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    if state != b"Z":
                        os.kill(pid, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
            time.sleep(_LOOK)

    def reap(self) -> None:
        """Let go of those of other sessions that have ended. None of them was started here."""
        for pid, state, session in _children(os.getpid()):
            if state == b"Z" and session not in (self._session, pid):
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)

    def _found(self, own: Collection[int]) -> list[tuple[int, bytes, int]]:
        return [
            (pid, state, session)
            for pid, state, session in _children(os.getpid())
            if session == self._session and pid not in self._before and pid not in own
        ]


def _children(parent: int) -> list[tuple[int, bytes, int]]:
    """Id, state and session of each child, zombies too."""
    found = []
    for entry in Path("/proc").iterdir() if sys.platform == "linux" else ():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            # proc(5), /proc/[pid]/stat: what follows the name, which may hold anything.
            stat = (entry / "stat").read_bytes().rpartition(b")")[2].split()
            if int(stat[1]) == parent:
                found.append((int(entry.name), stat[0], int(stat[3])))
    return found


def _adopts_orphans() -> bool:
    if sys.platform != "linux":
        return False
    found = ctypes.c_int()
    ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(found), 0, 0, 0)
    return bool(found.value)


def _prctl(option: int, argument: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, argument, 0, 0, 0)
