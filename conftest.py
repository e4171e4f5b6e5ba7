"""Options of this repository's own test run."""

from __future__ import annotations

import os

import pytest

pytest_plugins = ["pytester"]


def pytest_configure() -> None:
    """Let the many processes that tests start keep bytecode: without it each compiles us anew."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--soak`` runs the tests with large counts in full."""
    parser.addoption("--soak", action="store_true", help="run large counts in full (slow)")
