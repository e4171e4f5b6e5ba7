"""Options of this repository's own test run."""

from __future__ import annotations

import os
import signal
import sys

import pytest

pytest_plugins = ["pytester"]


def pytest_configure() -> None:
    """What the many processes that tests start are to inherit."""
    # Without bytecode each would compile us anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # A shell's background jobs ignore Ctrl-C, and so does all that they start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--soak``: large counts in full. ``--plugin-python``: for tests/matrix.py."""
    parser.addoption("--soak", action="store_true", help="run large counts in full (slow)")
    parser.addoption(
        "--plugin-python",
        metavar="PATH",
        default=sys.executable,
        help="the Python whose pytest runs the projects of tests/plugin",
    )
