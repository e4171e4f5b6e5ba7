"""What a call prints, said in its worker's log too, so that its caller hears it while it runs.

A worker keeps what functions print until they end, and its log has lines of many kinds. So each
line of a call is written there with a mark: whose it is, and where in the call's output it stands.
A mark is signed with the call's secret, since functions print text that strangers wrote.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .signing import NAME_SIZE, SIGNATURE_SIZE, Signer

# PIPE_BUF on Linux: of what is not longer, threads and processes do not write into each other's.
_WRITTEN = 4096
# Of a line that a mark carries: with six bytes for each, as JSON may need, and the mark, it is
# within that.
_CHARACTERS = 600
# Characters that a call may say at once, and then in a second: a log is not to hold it up. Who has
# said too much is silent until it may say some of that again.
_BURST, _RATE, _ENOUGH = 500_000.0, 100_000.0, 250_000.0
# How often a line that is written over and over, such as a progress bar, is said.
_PROGRESS = 2.0
# A line without an end is said in parts of this.
_ENDLESS = 65_536

_escaped = json.JSONEncoder(ensure_ascii=False).encode
# What JSON leaves as it is, and some readers of logs take for the end of a line.
_LINE_ENDS = {ord(each): f"\\u{ord(each):04x}" for each in "\x85\u2028\u2029"}
_SIGNED = "output"
_LINE = re.compile(
    rf"\[flash ([0-9a-f]{{{NAME_SIZE}}})\.([0-9a-f]{{8}}) "
    rf"([0-9]{{1,15}})\+([0-9]{{1,3}})(>?) ([0-9a-f]{{{SIGNATURE_SIZE}}})\] "
)


@dataclass(frozen=True)
class Piece:
    """Some of what one run of a call printed: ``text`` stands at the character ``at`` of all."""

    run: str
    at: int
    text: str


def marked(piece: Piece, signer: Signer) -> Iterator[bytes]:
    """The lines of a log that say ``piece`` of the signer's call, each with its end."""
    at = piece.at
    for line in piece.text.split("\n"):
        last = at + len(line) == piece.at + len(piece.text)
        for begin in range(0, len(line) or 1, _CHARACTERS):
            part = line[begin : begin + _CHARACTERS]
            whole = not last and begin + _CHARACTERS >= len(line)
            if part or whole:
                sign = "" if whole else ">"
                # Of a character that is none, half a surrogate pair, JSON has the same escape.
                body = _escaped(part)[1:-1].translate(_LINE_ENDS)
                said = body.encode("utf-8", "backslashreplace")
                place = f"{piece.run} {at}+{len(part)}{sign}"
                signature = signer.sign(_SIGNED, f"{place} ".encode() + said)
                yield f"[flash {signer.name}.{place} {signature}] ".encode() + said + b"\n"
            at += len(part)
        at += 1


def read(line: str, signer_of: Callable[[str], Signer | None]) -> tuple[str, Piece] | None:
    """The name of the call that a line of a log is for, and what it says.

    ``signer_of`` gives the signer of a call by its name, None for calls of others. None for lines
    without a mark of such a call, for those that were cut, and for all that the call's own code
    has not signed.
    """
    # A mark may stand behind a line without an end, which may hold things that look like marks.
    for found in _LINE.finditer(line, max(0, len(line) - _WRITTEN)):
        name, run, at, length, goes_on, signature = found.groups()
        signer, body = signer_of(name), line[found.end() :]
        if signer is None:
            continue
        signed = f"{run} {at}+{length}{goes_on} {body}".encode("utf-8", "surrogatepass")
        if signer.verifies(_SIGNED, signed, signature):
            text = json.loads(f'"{body}"')
            return name, Piece(run, int(at), text if goes_on else f"{text}\n")
    return None


def unmarked(line: str) -> str | None:
    """A line of a log as people should see it, without a mark; None if nothing is left.

    Of any call's: whoever knows no secret takes what looks like a mark for one.
    """
    found = _LINE.search(line)
    return line if found is None else line[: found.start()] or None


def _standard_output() -> int:
    """On a worker a descriptor of our own, whatever functions do with theirs."""
    if __name__.startswith("pytest_flash."):
        return 1  # At the caller, where no function runs.
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    # A number that what closes "all" descriptors mostly leaves alone.
    high = 1024 if most == resource.RLIM_INFINITY else min(1024, most // 2)
    try:
        return fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, high)
    except OSError:
        return -1  # It was closed before the first call: nothing is said.


_LOG = _standard_output()
_getpid = os.getpid  # A function may leave another in its place.


class LivePrinter:
    """Says what the signer's call prints, as whole lines, on the process's standard output.

    Not what its child processes print: where that stands in the output nobody knows. Whoever
    calls ``add`` sees to it that only one thread does at a time.
    """

    def __init__(self, signer: Signer, clock: Callable[[], float] = time.monotonic) -> None:
        self._signer = signer
        self._clock = clock
        self.run = os.urandom(4).hex()
        self._process = _getpid()
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
        return _getpid() == self._process

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
            for line in marked(Piece(self.run, at, text), self._signer):
                os.write(_LOG, line)
