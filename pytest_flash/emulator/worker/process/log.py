"""The worker's log: what standard output and error were when it started, whatever they become."""

from __future__ import annotations

import os
from typing import Final

from .descriptors import copied_up

OUT: Final = 1
ERR: Final = 2


class Log:
    """Writes to the log through descriptors of its own. It never fails: nobody would hear of it."""

    def __init__(self) -> None:
        self._ends = {OUT: _end(OUT), ERR: _end(ERR)}

    def write(self, text: str, stream: int = ERR) -> None:
        """Write ``text``: whole lines, or what a function prints as it prints it."""
        end = self._ends[stream]
        data = memoryview(text.encode("utf-8", "backslashreplace"))
        try:
            while end is not None and data:
                data = data[os.write(end, data) :]
        except OSError:
            return  # Whoever reads it has gone.

    def note(self, text: str) -> None:
        """A line of the worker's own."""
        self.write(f"flash worker: {text}\n")


def _end(descriptor: int) -> int | None:
    try:
        return copied_up(descriptor)
    except OSError:
        return None  # It was closed when the worker started.
