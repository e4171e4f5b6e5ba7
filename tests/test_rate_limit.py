"""So many requests in any window of time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flash.rate_limit import SlidingWindow

_GAPS = st.lists(st.one_of(st.just(0.0), st.floats(0, 3)), min_size=1, max_size=200)
_LIMITS = st.integers(1, 30)
_SECONDS = st.floats(0.01, 60)


@given(_GAPS, _LIMITS, _SECONDS)
def test_reserved_turns_are_in_order_and_never_too_many(
    gaps: list[float], limit: int, seconds: float
) -> None:
    now, window = 0.0, SlidingWindow(limit, seconds)
    turns: list[float] = []
    for gap in gaps:
        now += gap
        turns.append(now + window.reserve(now))
        earliest = turns[-1 - limit] + seconds if len(turns) > limit else now
        assert turns[-1] == pytest.approx(max(now, earliest, *turns[-2:-1]))
    assert turns == pytest.approx(sorted(turns))
    rate = limit / seconds
    for first in range(0, len(turns), 7):
        for last in range(first, len(turns)):
            assert last - first + 1 <= limit + (turns[last] - turns[first]) * rate + 1e-6


@given(_GAPS, _LIMITS, _SECONDS)
def test_who_takes_a_turn_only_when_it_is_free_is_within_the_limit(
    gaps: list[float], limit: int, seconds: float
) -> None:
    now, window = 0.0, SlidingWindow(limit, seconds)
    taken: list[float] = []
    for gap in gaps:
        now += gap
        recent = [turn for turn in taken if turn + seconds > now]
        assert (window.free_at <= now) is (len(recent) < limit)
        if window.free_at <= now:
            window.take(now)
            taken.append(now)
        inside = [turn for turn in taken if turn + seconds > now]
        assert window.used(now) == len(inside) <= limit
        assert window.left(now) == pytest.approx(inside[0] + seconds - now if inside else seconds)


def test_an_unused_window_is_there_at_once() -> None:
    window = SlidingWindow(3, 10.0)
    assert [window.reserve(0.0) for _ in range(4)] == [0, 0, 0, 10]
    assert [window.reserve(100.0) for _ in range(4)] == [0, 0, 0, 10]


@pytest.mark.parametrize(("limit", "seconds"), [(0, 1.0), (-1, 1.0), (1, -0.1)])
def test_a_window_that_lets_nothing_through_is_refused(limit: int, seconds: float) -> None:
    with pytest.raises(ValueError, match="lets nothing through"):
        SlidingWindow(limit, seconds)
