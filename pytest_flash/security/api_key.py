"""The API key's value: recognised in texts, refused in settings, blotted out of messages."""

from __future__ import annotations

SHORTEST = 8
"""Real keys are several times as long; what is shorter, such as ``test``, is found everywhere."""

HIDDEN = "[the API key]"


class Secret(str):
    """A text that is not shown where the variables of a traceback's frames are."""

    __slots__ = ()

    def __repr__(self) -> str:
        return HIDDEN


def holds(text: str, key: str | None) -> bool:
    """Whether ``key`` stands in ``text``."""
    return key is not None and len(key) >= SHORTEST and key in text


def without(text: str, key: str | None) -> str:
    """``text`` with the key blotted out."""
    return text.replace(key, HIDDEN) if key is not None and holds(text, key) else text
