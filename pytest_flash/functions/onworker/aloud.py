"""What a call prints, said in its worker's log too, so that its caller hears it while it runs.

A worker keeps what functions print until they end, and its log has lines of many kinds. So each
line of a call is written there with a mark: whose it is, and where in the call's output it stands.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# Of a line that a mark carries: with six bytes for each, as JSON may need, and the mark, it is
# within PIPE_BUF (4096 on Linux), so that threads and processes do not write into each other's.
_CHARACTERS = 600
# Characters that a call may say at once, and then in a second: a log is not to hold it up. Who has
# said too much is silent until it may say some of that again.
_BURST, _RATE, _ENOUGH = 500_000.0, 100_000.0, 250_000.0
# How often a line that is written over and over, such as a progress bar, is said.
_PROGRESS = 2.0
# A line without an end is said in parts of this.
_ENDLESS = 65_536

_escaped = json.JSONEncoder(ensure_ascii=False).encode
_MARK = "[flash "
_LINE = re.compile(r"\[flash (\w+)\.(\w+) (\d+)\+(\d+)(>?)\] (.*)", re.DOTALL)


@dataclass(frozen=True)
class Piece:
    """Some of what one run of a call printed: ``text`` stands at the character ``at`` of all."""

    call: str
    run: str
    at: int
    text: str


def marked(piece: Piece) -> Iterator[bytes]:
    """The lines of a log that say ``piece``, each with its end."""
    at = piece.at
    for line in piece.text.split("\n"):
        last = at + len(line) == piece.at + len(piece.text)
        for begin in range(0, len(line) or 1, _CHARACTERS):
            part = line[begin : begin + _CHARACTERS]
            whole = not last and begin + _CHARACTERS >= len(line)
            if part or whole:
                sign = "" if whole else ">"
                # Of a character that is none, half a surrogate pair, JSON has the same escape.
                body = _escaped(part)[1:-1]
                mark = f"{_MARK}{piece.call}.{piece.run} {at}+{len(part)}{sign}] "
                yield f"{mark}{body}\n".encode("utf-8", "backslashreplace")
            at += len(part)
        at += 1


def read(line: str) -> Piece | None:
    """The piece that a line of a log says; None for another line, and for one that was cut."""
    found = _LINE.search(line)
    if found is None:
        return None
    call, run, at, length, goes_on, body = found.groups()
    try:
        text = json.loads(f'"{body}"')
    except ValueError:
        return None
    if len(text) != int(length):
        return None
    return Piece(call, run, int(at), text if goes_on else f"{text}\n")


def unmarked(line: str) -> str | None:
    """A line of a log as people should see it, without a mark; None if nothing is left."""
    before, mark, after = line.partition(_MARK)
    if mark and _LINE.match(mark + after):
        return before or None
    return line


class Aloud:
    """Says what the call ``call`` prints, as whole lines, on the process's standard output.

    Not what its child processes print: where that stands in the output nobody knows. Whoever
    calls ``add`` sees to it that only one thread does at a time.
    """

    def __init__(self, call: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._call = call
        self._clock = clock
        self.run = os.urandom(4).hex()
        self._process = os.getpid()
        self._position = 0
        self._begun: list[str] = []
        self._length = 0
        self._returns = False
        self._allowance = _BURST
        self._silent = False
        self._said = self._counted = clock()

    @property
    def is_ours(self) -> bool:
        """Whether this is the process of the call, not a child of it."""
        return os.getpid() == self._process

    def add(self, text: str) -> None:
        """The call printed ``text``."""
        lines, end, rest = text.rpartition("\n")
        if end:
            self._say("".join((*self._begun, lines, end)))
            self._begun, self._length, self._returns = [], 0, False
        if rest:
            self._begun.append(rest)
            self._length += len(rest)
            self._returns = self._returns or "\r" in rest
            if self._length > _ENDLESS or (self._returns and self._rested()):
                self._say("".join(self._begun))
                self._begun, self._length, self._returns = [], 0, False

    def _rested(self) -> bool:
        return self._clock() - self._said >= _PROGRESS

    def _say(self, text: str) -> None:
        at = self._position
        self._position += len(text)
        now = self._clock()
        refilled = self._allowance + (now - self._counted) * _RATE
        self._allowance, self._counted = min(_BURST, refilled), now
        self._silent = self._allowance < (max(_ENOUGH, len(text)) if self._silent else len(text))
        if self._silent:
            return  # It comes with the result.
        self._allowance -= len(text)
        self._said = now
        # A log that takes nothing is no reason for the function to fail.
        with contextlib.suppress(OSError):
            for line in marked(Piece(self._call, self.run, at, text)):
                os.write(1, line)
