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

    def __init__(self, output: Output, longest: Callable[[], Activity | None]) -> None:
        self._output = output
        self._longest = longest
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def notice(self) -> None:
        """Activities may have begun or ended: spin from now on, or no more."""
        if not self._output.is_terminal:
            return
        with self._lock:
            if self._longest() is None:
                self._output.status("")
            elif self._thread is None:
                self._thread = threading.Thread(
                    target=self._spin, name="flash-spinner", daemon=True
                )
                self._thread.start()

    def _spin(self) -> None:
        for frame in itertools.cycle(_FRAMES):
            with self._lock:
                activity = self._longest()
                if activity is None:
                    self._thread = None
                    return
                text = status(activity, monotonic())
                self._output.status(f"{frame} {text}" if text else "")
            time.sleep(_STEP)


def status(activity: Activity, now: float) -> str:
    """``activity``, how long it takes, and how many others there are; empty while it is short."""
    seconds = now - activity.began
    if seconds < _PATIENCE:
        return ""
    others = f", and {activity.others} more" if activity.others else ""
    tail = f", {seconds:.1f} s{others}"
    room = _WIDTH - len(tail)
    text = activity.text if len(activity.text) <= room else f"{activity.text[: room - 1]}…"
    return text + tail
