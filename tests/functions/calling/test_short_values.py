"""Arguments and results in few words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from pytest_flash.functions.protocol.short_values import shown, shown_call


@dataclass
class Point:
    x: int
    trail: list[int]


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class Vanished:
    @property
    def shape(self) -> tuple[int, ...]:
        raise OSError("gone")


class Counted:
    """Counts how often it is turned into text."""

    def __init__(self) -> None:
        self.asked = 0

    def __repr__(self) -> str:
        self.asked += 1
        return "counted"


class Table:
    shape = (1000, 3)
    dtype = "float32"

    def __repr__(self) -> str:
        raise AssertionError("arrays are told by their shape")


class Body(BaseModel):
    data: str


def test_a_call_reads_as_it_was_written() -> None:
    assert shown_call(("text", 3), {"flag": True}) == "'text', 3, flag=True"
    assert shown_call((), {}) == ""
    assert shown(Body(data="x")) == "Body(data='x')"


def test_what_is_large_is_cut_before_it_becomes_text() -> None:
    items = [Counted() for _ in range(10_000)]
    assert len(shown(items)) < 500
    assert sum(each.asked for each in items) == 20
    assert shown(b"x" * 5_000_000).endswith("(5,000,000 bytes)")
    assert shown(Point(1, list(range(10_000)))).startswith("Point(x=1, trail=[0, 1, 2")
    assert len(shown(Point(1, list(range(10_000))))) < 200
    assert shown(Table()) == "Table(shape=(1000, 3), dtype=float32)"
    assert len(shown_call(tuple("x" * 1000 for _ in range(50)), {})) == 2_000


def test_a_value_that_cannot_be_shown_harms_nothing() -> None:
    assert shown([Hostile()]).startswith("[<Hostile instance at ")
    assert shown(Vanished()) == "<Vanished, which raised OSError when looked at>"
    assert len(shown(10**100_000)) <= 100
    loop: list[Any] = []
    loop.append(loop)
    assert "..." in shown(loop)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=200,
)


@given(VALUES)
def test_whatever_is_shown_is_bounded_text(value: object) -> None:
    assert 0 < len(shown(value)) <= 2_000
