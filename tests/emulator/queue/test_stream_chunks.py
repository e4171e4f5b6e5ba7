"""Streamed items are cut between characters, and lose none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_flash.emulator.queue.stream_chunks import chunks


def size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


@given(text=st.text(st.characters(categories=None)), limit=st.integers(4, 30))
@example(text="😀😀", limit=4)
@example(text="\ud83d\ude00 ü", limit=5)
def test_the_parts_of_a_text_are_small_and_make_it_up(text: str, limit: int) -> None:
    parts = chunks(text, limit)
    assert "".join(parts) == text
    assert all(size(part) <= limit for part in parts)
    # As few as can be, but for the up to three bytes that a character would overlap.
    assert all(size(part) > limit - 4 for part in parts[:-1])
    assert "" not in parts[1:]


@pytest.mark.parametrize("item", [None, 3, ["x" * 99], {"a": "x" * 99}, ""])
def test_anything_else_stays_whole(item: Any) -> None:
    assert chunks(item, 4) == [item]
