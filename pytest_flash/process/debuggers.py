"""Whether a debugger has this process, or those that it starts."""

from __future__ import annotations

import sys
from collections.abc import Mapping


def is_debugged(variables: Mapping[str, str]) -> bool:
    """Whether debugpy or pydevd, which VS Code and PyCharm use, is loaded or has left a mark in
    ``variables``, the environment. ``PYDEVD_DISABLE_FILE_VALIDATION`` alone is a mere setting."""
    marks = (name for name in variables if name != "PYDEVD_DISABLE_FILE_VALIDATION")
    return any(name in sys.modules for name in ("debugpy", "pydevd")) or any(
        name.startswith("PYDEVD_") for name in marks
    )
