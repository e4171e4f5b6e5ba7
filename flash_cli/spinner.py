"""A line that moves while something takes its time."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable

from pytest_flash.clock import monotonic

from .activity import Activity
from .output import Output

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_STEP = 0.1
# What is over sooner needs no spinner.
_PATIENCE = 0.4
_WIDTH = 70


class Spinner:
    """Shows what takes long, in a thread that lasts no longer than that does."""

    def __init__(self, output: Output, activities: Callable[[], tuple[Activity, ...]]) -> None:
        self._output = output
        self._activities = activities
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def notice(self) -> None:
        """Activities may have begun or ended: spin from now on, or no more."""
        if not self._output.is_terminal:
            return
        with self._lock:
            if not self._activities():
                self._output.status("")
            elif self._thread is None:
                self._thread = threading.Thread(
                    target=self._spin, name="flash-spinner", daemon=True
                )
                self._thread.start()

    def _spin(self) -> None:
        for frame in itertools.cycle(_FRAMES):
            with self._lock:
                activities = self._activities()
                if not activities:
                    self._thread = None
                    return
                text = status(activities, monotonic())
                self._output.status(f"{frame} {text}" if text else "")
            time.sleep(_STEP)


def status(activities: tuple[Activity, ...], now: float) -> str:
    """The longest of ``activities`` and how many others there are; empty while all are short."""
    longest = activities[0]
    seconds = now - longest.began
    if seconds < _PATIENCE:
        return ""
    others = f", and {len(activities) - 1} more" if len(activities) > 1 else ""
    tail = f", {seconds:.1f} s{others}"
    room = _WIDTH - len(tail)
    text = longest.text if len(longest.text) <= room else f"{longest.text[: room - 1]}…"
    return text + tail
