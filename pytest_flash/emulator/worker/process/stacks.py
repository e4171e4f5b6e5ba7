"""Showing where a worker is: its threads, and what its suspended coroutines wait for."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from .descriptors import moved_up
from .log import Log

# Signals that programs leave alone: the last real-time one, or the one that BSDs, macOS among
# them, have for asking a process how it is.
SIGNAL: int = signal.SIGRTMAX if hasattr(signal, "SIGRTMAX") else getattr(signal, "SIGINFO", 0)


def answer_signal(path: str, log: Log) -> TextIO:
    """Have SIGNAL append the stacks to the file ``path``, while the returned file is open.

    The file appears once the signal may be sent: before that it would end the process.
    """
    made = Path(f"{path}.new")
    opened = os.open(made, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    file = os.fdopen(moved_up(opened), "a", encoding="utf-8", errors="backslashreplace")

    def show_tasks(*_: object) -> None:
        try:
            file.write("".join(_tasks()))
            file.flush()
        except Exception as error:  # noqa: BLE001 - it would end whatever the worker is doing
            log.note(f"the tasks cannot be shown: {error!r}")

    signal.signal(SIGNAL, show_tasks)
    # The threads are shown even while one of them holds the interpreter's lock; the tasks follow
    # as soon as the main thread is back in Python.
    faulthandler.register(SIGNAL, file=file, all_threads=True, chain=True)
    made.rename(path)
    return file


def _tasks() -> Iterator[str]:
    """The suspended tasks of the running loop, the innermost call last."""
    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:
        return  # no loop runs
    for task in tasks:
        frames = [*_suspended(task.get_coro())]
        if frames:
            yield f"\nTask {task.get_name()} (the innermost call last):\n"
            for frame in frames:
                yield from traceback.format_stack(frame, limit=1)


def _suspended(awaited: Any) -> Iterator[FrameType]:
    """The frames of a chain of coroutines that wait for one another."""
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is None:
            return
        yield frame
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
