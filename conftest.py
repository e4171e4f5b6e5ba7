"""Options of this repository's own test run."""

from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path

import hypothesis
import pytest

from tests.support.slowest import slowest_first

pytest_plugins = ["pytester"]

# Seconds.
_SOAK_TIMEOUT = 3600


def pytest_configure(config: pytest.Config) -> None:
    """Set what the many processes that tests start inherit, and how examples are chosen."""
    # Until everything is collected: imports leave no garbage, and to look for it takes a while.
    gc.disable()
    # Without bytecode each would compile us anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # A shell's background jobs ignore Ctrl-C, and so does all that they start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Beside what it keeps of examples it keeps what it has computed, and both go into the checkout.
    stored = Path(tempfile.gettempdir(), "pytest-flash-hypothesis")
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(stored))
    # The same examples in every run, since a run that is red by chance teaches people to look away;
    # ``--soak`` looks for new ones. No database, which would be written into the checkout.
    soak = config.getoption("soak")
    hypothesis.settings.register_profile(
        "suite",
        deadline=None,
        database=None,
        derandomize=not soak,
        max_examples=500 if soak else 30,
    )
    hypothesis.settings.load_profile("suite")
    if soak and config.getoption("timeout", None) is None:
        config.option.timeout = _SOAK_TIMEOUT


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the modules that take longest."""
    items[:] = slowest_first(items)


def pytest_collection_finish() -> None:
    """Spare the garbage collector what stays to the end: the tests, and what they have imported."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line what was skipped and why."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.getreports("skipped")
        if isinstance(report.longrepr, tuple)
    )
    if reasons:
        counted = "; ".join(f"{count} × {reason}" for reason, count in reasons.most_common())
        terminalreporter.write_line(f"skipped: {counted}")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--soak``: large counts in full. ``--plugin-python``: for tests/matrix.py."""
    parser.addoption("--soak", action="store_true", help="run large counts in full (slow)")
    parser.addoption(
        "--plugin-python",
        metavar="PATH",
        default=sys.executable,
        help="the Python whose pytest runs the projects of tests/plugin",
    )
