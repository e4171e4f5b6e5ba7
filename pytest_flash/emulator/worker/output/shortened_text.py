"""Text that is kept for a caller: all of it, or where it is long its beginning and its end."""

from __future__ import annotations

import io
from collections import deque
from typing import Final

_HEAD: Final = 250_000
_TAIL: Final = 250_000


class ShortenedText(io.StringIO):
    """Keeps the first and the last characters that are written."""

    def __init__(self) -> None:
        super().__init__()
        self._room = _HEAD
        self._tail: deque[str] = deque()
        self._tail_size = 0
        self._left_out = 0

    def write(self, text: str, /) -> int:
        """Keep ``text``, or count it."""
        if self._room >= len(text):
            self._room -= len(text)
            return super().write(text)
        super().write(text[: self._room])
        self._end(text[self._room :])
        self._room = 0
        return len(text)

    def write_whole(self, text: str) -> None:
        """Keep all of ``text``. ``io.StringIO.write`` does the same."""
        super().write(text)

    def getvalue(self) -> str:
        """What is kept, with a note of what is not."""
        left_out = f"\n[… {self._left_out:,} characters …]\n" if self._left_out else ""
        return f"{super().getvalue()}{left_out}{''.join(self._tail)}"

    def _end(self, text: str) -> None:
        self._tail.append(text)
        self._tail_size += len(text)
        while (surplus := self._tail_size - _TAIL) > 0:
            oldest = self._tail.popleft()
            if surplus < len(oldest):
                self._tail.appendleft(oldest[surplus:])
            dropped = min(surplus, len(oldest))
            self._tail_size -= dropped
            self._left_out += dropped


def shortened(text: str, most: int) -> str:
    """The beginning of ``text``, if it is longer than ``most`` characters."""
    left_out = len(text) - most
    return text if left_out <= 0 else f"{text[:most]} [… {left_out:,} characters …]"
