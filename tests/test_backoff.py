"""Pauses between attempts."""

from __future__ import annotations

import math
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flash.backoff import Backoff

_SECONDS = st.floats(0, 1000, allow_subnormal=False)
_BACKOFFS = st.builds(Backoff, _SECONDS, st.one_of(st.just(math.inf), _SECONDS), st.floats(1, 4))


@given(_BACKOFFS, st.integers(1, 10_000))
def test_pauses_grow_and_stay_below_the_last(backoff: Backoff, failures: int) -> None:
    pause, longer = backoff.pause(failures), backoff.pause(failures + 1)
    assert 0 <= pause <= longer <= backoff.last


@given(_BACKOFFS)
def test_each_is_the_one_before_times_the_factor_or_the_last(backoff: Backoff) -> None:
    pauses = [*islice(backoff.pauses(), 20)]
    assert pauses[0] == min(backoff.first, backoff.last)
    for before, after in pairwise(pauses):
        assert after == pytest.approx(min(before * backoff.factor, backoff.last))


def test_doubling_is_what_most_want() -> None:
    assert [*islice(Backoff(0.5, 8.0).pauses(), 6)] == [0.5, 1, 2, 4, 8, 8]


@pytest.mark.parametrize("values", [(-1.0, 1.0, 2.0), (1.0, -1.0, 2.0), (1.0, 2.0, 0.5)])
def test_what_does_not_grow_is_refused(values: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="do not grow"):
        Backoff(*values)
    with pytest.raises(ValueError, match="first failure"):
        Backoff(1.0).pause(0)
