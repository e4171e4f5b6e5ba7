"""The members of a JSON object with their texts: what is passed on need not be encoded again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .http import DECODER, encode, parse_object

_SPACE = re.compile(r"[ \t\n\r]*")


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
    at, separator = 0, "{"
    while separator != "}":
        name, at = DECODER.raw_decode(text, _after(separator, text, at))
        if not isinstance(name, str):
            raise ValueError("a member's name is no string")
        start = _after(":", text, at)
        value, end = DECODER.raw_decode(text, start)
        yield name, Member(value, text[start:end].encode())
        at = _past_space(text, end)
        separator = "}" if text.startswith("}", at) else ","
    if _after("}", text, at) != len(text):
        raise ValueError("something follows the object")


def _after(character: str, text: str, at: int) -> int:
    """Where what follows ``character`` begins, which is the next but for white space."""
    at = _past_space(text, at)
    if not text.startswith(character, at):
        raise ValueError(f"no {character} at {at}")
    return _past_space(text, at + 1)


def _past_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()
