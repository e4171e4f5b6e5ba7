"""What of a job's output has been heard, and how output is shown."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterator

# What a worker keeps of a call's output, and so what can be asked for at its end, in characters.
_KEPT = 1_000_000


class ReceivedText:
    """Parts of a text, as they were heard: they may be missing, overlap or come late."""

    def __init__(self) -> None:
        # Where each begins, and its characters; in order, and none overlaps another.
        self._parts: list[tuple[int, str]] = []

    @property
    def text(self) -> str:
        """Everything that was heard, but for what is so old that its worker has let go of it."""
        return "".join(part for _, part in self._parts)

    def has(self, at: int) -> bool:
        """Whether the character at ``at`` was heard."""
        return next(self.missing(at, "?"), None) is None

    def missing(self, at: int, text: str) -> Iterator[tuple[int, str]]:
        """What of ``text``, which stands at the character ``at``, has not been heard yet."""
        end = at + len(text)
        begin = at
        for other, part in self._overlapping(at, end):
            if other > begin:
                yield begin, text[begin - at : other - at]
            begin = max(begin, other + len(part))
        if begin < end:
            yield begin, text[begin - at :]

    def add(self, at: int, text: str) -> None:
        """``text`` was heard; it is ``missing``."""
        if not self._parts or at > self._parts[-1][0]:
            self._parts.append((at, text))
        else:
            insort(self._parts, (at, text))
        last, part = self._parts[-1]
        old = last + len(part) - _KEPT
        if self._parts[0][0] + len(self._parts[0][1]) <= old:
            self._parts = [each for each in self._parts if each[0] + len(each[1]) > old]

    def unheard(self, text: str, begin: int = 0) -> str:
        """What of ``text``, from the character ``begin`` on, was not heard, or not like this."""
        rest, at = [], begin
        for other, part in self._overlapping(begin, begin + len(text)):
            first = max(other, begin)
            if text[first - begin : other + len(part) - begin] == part[first - other :]:
                rest.append(text[at - begin : first - begin])
                at = other + len(part)
        rest.append(text[at - begin :])
        *before, last = rest
        ended = (each if each.endswith("\n") else f"{each}\n" for each in before if each)
        return "".join((*ended, last))

    def _overlapping(self, begin: int, end: int) -> Iterator[tuple[int, str]]:
        index = max(0, bisect_right(self._parts, begin, key=lambda part: part[0]) - 1)
        while index < len(self._parts) and self._parts[index][0] < end:
            at, part = self._parts[index]
            if at + len(part) > begin:
                yield at, part
            index += 1


def shown(text: str) -> str:
    """``text`` as a terminal leaves it: of a line that was written over, the last state."""
    if "\r" not in text:
        return text
    return "\n".join(map(_last_state, text.split("\n")))


def _last_state(line: str) -> str:
    states = (state for state in reversed(line.split("\r")) if state.strip())
    return next(states, "") if "\r" in line else line
