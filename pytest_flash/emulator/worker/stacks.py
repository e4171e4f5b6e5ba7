"""Showing where a worker's threads are, also while one of them holds the interpreter's lock."""

from __future__ import annotations

import faulthandler
import signal
from pathlib import Path
from typing import TextIO

# Signals that programs leave alone: the last real-time one, or the one that BSDs, macOS among
# them, have for asking a process how it is.
SIGNAL: int = signal.SIGRTMAX if hasattr(signal, "SIGRTMAX") else getattr(signal, "SIGINFO", 0)


def answer_signal(path: str) -> TextIO:
    """Have SIGNAL append the stacks of all threads to the file ``path``, for as long as the
    returned file is open.

    The file appears once it may be sent: before that the signal would end the process.
    """
    made = Path(f"{path}.new")
    file = made.open("a", encoding="utf-8")
    faulthandler.register(SIGNAL, file=file, all_threads=True, chain=False)
    made.rename(path)
    return file
