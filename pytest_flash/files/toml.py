"""TOML of unknown origin: a few bytes of it can cost more memory than the machine has."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Mapping
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_DEPTH = 100
_TOO_DEEP = f"it is nested more than {_DEPTH} levels deep"
# So many cost nothing, wherever they stand.
_FEW = 1000
_BRACKETS = {"[": 1, "{": 1, "]": -1, "}": -1}
_TOKEN = re.compile(
    r"""(?P<key>[A-Za-z0-9_ \t-]+)|(?P<dot>\.)|(?P<quote>\"{3}|'{3}|["'])|#.*|\n|."""
)


def parse_toml(text: str) -> Mapping[str, Any]:
    """The document in ``text``; raises ValueError for anything that it is not.

    Also for what is nested more than a hundred levels deep. The parser takes memory by the square
    of a dotted key's length, and reads nested values by recursion, as do those who get them.
    """
    if max(map(text.count, ".[{")) > _FEW and _is_too_deep(text):
        raise ValueError(_TOO_DEEP)
    try:
        document = tomllib.loads(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    level: list[Any] = [document]
    for _ in range(_DEPTH):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return document
    raise ValueError(_TOO_DEEP)


def _inside(value: Any) -> Collection[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _is_too_deep(text: str) -> bool:
    """By the dots in what may be one key, and by the brackets that are open at once."""
    at = dots = brackets = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        assert found is not None
        at = found.end()
        if found["quote"]:
            at = _end_of_string(text, at, found["quote"])
        elif not found["key"]:
            # Words and strings with dots between them are a key.
            dots = dots + 1 if found["dot"] else 0
            brackets += _BRACKETS.get(found[0], 0)
            if max(dots, brackets) > _DEPTH:
                return True
    return False


def _end_of_string(text: str, start: int, quote: str) -> int:
    """Where the string that begins at ``start`` ends: behind its quote, or with the text."""
    at = text.find(quote, start)
    while at >= 0 and quote[0] == '"' and _is_escaped(text, at, start):
        at = text.find(quote, at + 1)
    return len(text) if at < 0 else at + len(quote)


def _is_escaped(text: str, at: int, start: int) -> bool:
    before = at
    while before > start and text[before - 1] == "\\":
        before -= 1
    return (at - before) % 2 == 1
