"""The members of a JSON object with their texts: what is passed on need not be encoded again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .request_response import DECODER, encode, parse_object

_SEPARATOR = re.compile(r"[ \t\n\r]*([{:,}])[ \t\n\r]*")


@dataclass(frozen=True, slots=True)
class Member:
    """A value, and its JSON as it was sent."""

    value: Any
    text: bytes


def parse_members(body: bytes) -> dict[str, Member]:
    """The members of the JSON object in ``body``. Raises HttpError 400 as ``parse_object`` does."""
    try:
        return dict(_members(body.decode()))
    except (ValueError, RecursionError):  # no such object, an empty one, or not plain UTF-8
        return {name: Member(value, encode(value)) for name, value in parse_object(body).items()}


def _members(text: str) -> Iterator[tuple[str, Member]]:
    _, at = _separator(text, 0, "{")
    separator = ","
    while separator == ",":
        name, at = DECODER.raw_decode(text, at)
        if not isinstance(name, str):
            raise ValueError("a member's name is no string")
        _, start = _separator(text, at, ":")
        value, end = DECODER.raw_decode(text, start)
        yield name, Member(value, text[start:end].encode())
        separator, at = _separator(text, end, ",}")
    if at != len(text):
        raise ValueError("something follows the object")


def _separator(text: str, at: int, expected: str) -> tuple[str, int]:
    """The next character, which is one of ``expected``, and where what follows it begins; white
    space around it is passed over."""
    found = _SEPARATOR.match(text, at)
    if found is None or found[1] not in expected:
        raise ValueError(f"none of {expected} at {at}")
    return found[1], found.end()
