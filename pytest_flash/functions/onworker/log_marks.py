"""The marks in a worker's log that say whose a line is: written there, and read at the caller.

A log has lines of many kinds. So each line that a call prints is written there with a mark: whose
it is, and where in the call's output it stands. A mark is signed with the call's secret, since
functions print text that strangers wrote.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .signing import NAME_SIZE, SIGNATURE_SIZE, Signer

# PIPE_BUF on Linux: of what is not longer, threads and processes do not write into each other's.
_WRITTEN = 4096
# Of a line that a mark carries: with six bytes for each, as JSON may need, and the mark, it is
# within that.
_CHARACTERS = 600
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
