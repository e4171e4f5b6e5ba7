"""Where this repository is, and an environment for programs under test."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
QUICKSTART = ROOT / "docs" / "quickstart"
SHARED = ROOT.parent / "shared"

# Variables of the machine that would change what a program under test does; under CI endpoints
# get a namespace.
_OURS = ("RUNPOD_", "FLASH_", "PYTEST_", "GITHUB_")
_CI = "CI"

_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_REPOSITORIES = {
    "FLASH_GPU_IMAGE": "flash",
    "FLASH_CPU_IMAGE": "flash-cpu",
    "FLASH_LB_IMAGE": "flash-lb",
    "FLASH_CPU_LB_IMAGE": "flash-lb-cpu",
}
LIVE_IMAGES = {
    variable: f"runpod/{repository}:py{_PYTHON}-latest"
    for variable, repository in _REPOSITORIES.items()
    if sys.version_info >= (3, 14)
}
"""What a live target needs to be told where Runpod has no image of this Python."""


def clean_environment(**changes: str) -> dict[str, str]:
    """The environment without what Runpod, Flash or this pytest run put there."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_OURS) and name != _CI
    }
    return kept | LIVE_IMAGES | changes
