"""Options of this repository's own test run."""

from __future__ import annotations

import os
import sys

import pytest

pytest_plugins = ["pytester"]


def pytest_configure() -> None:
    """Let the many processes that tests start keep bytecode: without it each compiles us anew."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--soak``: large counts in full. ``--plugin-python``: for tests/matrix.py."""
    parser.addoption("--soak", action="store_true", help="run large counts in full (slow)")
    parser.addoption(
        "--plugin-python",
        metavar="PATH",
        default=sys.executable,
        help="the Python whose pytest runs the projects of tests/plugin",
    )
