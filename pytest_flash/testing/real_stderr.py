"""Standard error as pytest found it, for words that cannot wait for a report.

Imported by every pytest run: PYTEST_DONT_REWRITE.
"""

from __future__ import annotations

import contextlib
import os

import pytest

_DESCRIPTOR = pytest.StashKey[int]()
_STDERR = 2


def keep(config: pytest.Config) -> None:
    """Keep a descriptor of it until the run ends: while a test runs, pytest has its own there."""
    with contextlib.suppress(OSError):  # There is none.
        config.stash[_DESCRIPTOR] = os.dup(_STDERR)
        config.add_cleanup(lambda: os.close(config.stash[_DESCRIPTOR]))


def say(config: pytest.Config, text: str) -> None:
    """Write ``text`` on a line of its own, in the midst of pytest's progress."""
    descriptor = config.stash.get(_DESCRIPTOR, None)
    if descriptor is not None:
        line = f"\nflash: {text}\n".encode("utf-8", "backslashreplace")
        with contextlib.suppress(OSError):  # Nobody reads it.
            os.write(descriptor, line)
