"""Turns for requests: so many in a second, whoever asks and whenever."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_flash.functions.calling.poll_rate import Turns

_PAUSES = st.lists(st.floats(0, 3), min_size=1, max_size=200)


@given(_PAUSES, st.floats(0.5, 100), st.integers(1, 30))
def test_no_second_has_more_turns_than_it_should(
    pauses: list[float], rate: float, burst: int
) -> None:
    now = 0.0
    turns = Turns(rate, burst, lambda: now)
    begun: list[float] = []
    for pause in pauses:
        now += pause
        begun.append(now + turns.take("a"))
    assert begun == sorted(begun)
    for first in range(len(begun)):
        for last in range(first, len(begun)):
            allowed = burst + (begun[last] - begun[first]) * rate
            assert last - first + 1 <= allowed + 1e-6


@given(st.integers(1, 30))
def test_as_many_as_may_be_at_once_need_not_wait(burst: int) -> None:
    now = 0.0
    turns = Turns(8, burst, lambda: now)
    for _ in range(3):
        assert [turns.take("a") for _ in range(burst)] == [0] * burst
        assert turns.take("a") > 0
        now += 10 * burst


def test_endpoints_do_not_share_turns() -> None:
    turns = Turns(1, 1, lambda: 0.0)
    assert [turns.take(each) for each in "abab"] == [0, 0, 1, 1]
