"""The environment of processes that are ours, not the user's."""

from __future__ import annotations

import os
from collections.abc import Collection

# What coverage.py starts by in every Python: it would leave a file of data for each of ours.
_MEASURED = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")


def child_environment(without: Collection[str] = ()) -> dict[str, str]:
    """This process's environment, without those variables, and without what measures the user's
    own subprocesses."""
    left_out = {*without, *_MEASURED}
    return {name: value for name, value in os.environ.items() if name not in left_out}
