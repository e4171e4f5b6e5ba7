"""Streamed items cut to the size that Runpod allows."""

from __future__ import annotations

from typing import Any

_LIMIT = 1_000_000  # Runpod docs, operation-reference
_LONGEST_CHARACTER = 4


def chunks(item: Any, limit: int = _LIMIT) -> list[Any]:
    """A streamed item in chunks of at most ``limit`` bytes (4 or more) of UTF-8.

    Texts are split, between characters. What is no text stays whole, since it has no parts that
    mean the same.
    """
    if not isinstance(item, str) or len(item) * _LONGEST_CHARACTER <= limit:
        return [item]
    # Halves of surrogate pairs, which JSON can name, pass as three bytes each.
    rest, parts = item.encode("utf-8", "surrogatepass"), []
    while len(rest) > limit:
        end = limit
        while _continues(rest[end]):
            end -= 1
        parts.append(rest[:end])
        rest = rest[end:]
    return [part.decode("utf-8", "surrogatepass") for part in (*parts, rest)]


def _continues(byte: int) -> bool:
    return byte & 0b1100_0000 == 0b1000_0000
