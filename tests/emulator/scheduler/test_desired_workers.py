from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flash.emulator.account.desired_workers import (
    Load,
    QueueDelay,
    RequestCount,
    Scaling,
    desired_workers,
)

SCALINGS = st.one_of(
    st.builds(QueueDelay, st.floats(0.5, 100)), st.builds(RequestCount, st.integers(1, 100))
)
COUNT = st.integers(0, 1000)


@pytest.mark.parametrize(
    ("scaling", "load", "wanted"),
    [
        (RequestCount(4), Load(queued=0, running=0, busy=0), 0),
        (RequestCount(4), Load(queued=1, running=0, busy=0), 1),
        (RequestCount(4), Load(queued=3, running=1, busy=1), 1),
        (RequestCount(4), Load(queued=4, running=1, busy=1), 2),
        (QueueDelay(4), Load(queued=0, running=0, busy=0), 0),
        (QueueDelay(4), Load(queued=1, running=0, busy=0), 1),
        (QueueDelay(4), Load(queued=2, running=1, busy=1), 3),
    ],
)
def test_load_asks_for_workers(scaling: Scaling, load: Load, wanted: int) -> None:
    assert desired_workers(scaling, load, minimum=0, maximum=100) == wanted


@given(SCALINGS, st.builds(Load, queued=COUNT, running=COUNT, busy=COUNT), COUNT, COUNT)
def test_bounds_hold(scaling: Scaling, load: Load, low: int, more: int) -> None:
    wanted = desired_workers(scaling, load, minimum=low, maximum=low + more)
    assert low <= wanted <= low + more
    if load.queued and more:
        assert wanted >= 1
