"""Warnings about definitions, at the line of the user's code that makes them."""

from __future__ import annotations

import sys
import warnings
from types import FrameType

from ..errors import FlashWarning

_OURS = {"pytest_flash", "pydantic"}


def warn(text: str) -> None:
    """Warn of what a definition says and that has no meaning here."""
    level, frame = 1, sys._getframe(0)
    while frame.f_back is not None and _is_ours(frame):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, FlashWarning, stacklevel=level)


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in _OURS
