"""Entry point of the ``flash`` command. Imports nothing before Ctrl-C has an answer."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_flash.runner.app.options import RunTimings

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None, timings: RunTimings | None = None) -> None:
    """Run the command line; shows every FlashError as one message, with exit code 1.

    What it is given, and not by default, is for ``run_command_line``.
    """
    # While modules are imported there is nothing to clean up; what starts processes later sets
    # handlers of its own.
    signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
    _open_standard_streams()

    from pytest_flash.process.garbage import collecting_seldom

    with collecting_seldom():
        from .commands import run_command_line

        run_command_line(arguments, timings)


def _open_standard_streams() -> None:
    """Give a closed standard stream /dev/null, lest a socket get its number."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    # Python has none for a descriptor that was closed when it started.
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)
