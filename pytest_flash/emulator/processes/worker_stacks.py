"""The Python stacks of a worker that runs our own runtime."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ...clock import monotonic
from ..worker.process.stacks import SIGNAL

_DEADLINE = 2.0
_QUIET = 0.05


class NoStackError(Exception):
    """The stacks of this worker cannot be had; the text says why."""


def read_stacks(pid: int, file: Path) -> str:
    """The stacks of all threads of the process ``pid``, which writes them to ``file``.

    Blocks for up to two seconds. Raises NoStackError when the process has not said that it does
    so, is gone, or does not answer.
    """
    try:
        before = size = file.stat().st_size
        os.kill(pid, SIGNAL)
        deadline = monotonic() + _DEADLINE
        while monotonic() < deadline:
            time.sleep(_QUIET)
            # They have no end that could be recognised, but are written in one go.
            grown = file.stat().st_size
            if grown == size > before:
                return file.read_bytes()[before:].decode("utf-8", errors="replace")
            size = grown
    except FileNotFoundError:
        raise NoStackError(
            "it is still starting, has ended, or runs a program that shows no Python stacks"
        ) from None
    except ProcessLookupError:
        raise NoStackError("its process has ended") from None
    raise NoStackError(f"it wrote none within {_DEADLINE:g} s: its process may be stopped")
