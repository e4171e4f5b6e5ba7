"""What both clients call. Imports nothing: it is shipped by either."""

from __future__ import annotations

from typing import Any


def sleep(seconds: float) -> float:
    """Sleep, and return the seconds that passed on the worker."""
    import time

    began = time.perf_counter()
    if seconds:
        time.sleep(seconds)
    return time.perf_counter() - began


def echo(value: Any) -> Any:
    """Return what was given."""
    return value
