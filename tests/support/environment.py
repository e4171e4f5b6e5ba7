"""Where this repository is, and an environment for programs under test."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
QUICKSTART = ROOT / "docs" / "quickstart"
SHARED = ROOT.parent / "shared"

# Variables of the machine that would change what a program under test does; under CI endpoints
# get a namespace.
_OURS = ("RUNPOD_", "FLASH_", "PYTEST_", "GITHUB_")
_CI = "CI"


def clean_environment(**changes: str) -> dict[str, str]:
    """The environment without what Runpod, Flash or this pytest run put there."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_OURS) and name != _CI
    }
    return kept | changes
