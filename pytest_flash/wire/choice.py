"""Values out of a fixed set."""

from __future__ import annotations

from enum import Enum


class Choice(str, Enum):
    """A value out of a fixed set: equal to its text, and printed as it."""

    def __str__(self) -> str:
        return str(self.value)
