"""The quota: never exceeded, and used in full."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flash.runpod import ManagementClient, Pace
from pytest_flash.runpod.rate_limit import exhausted_for
from tests.runpod.scripted import FakeTime, ScriptedServer, elapsed, says

EMPTY: dict[str, list[object]] = {"endpoints": []}


@given(
    gaps=st.lists(st.one_of(st.just(0.0), st.floats(0, 200, allow_subnormal=False)), max_size=150),
    limit=st.integers(1, 10),
    window=st.floats(0.01, 100),
)
def test_requests_begin_as_early_as_the_limit_allows_and_no_earlier(
    gaps: list[float], limit: int, window: float
) -> None:
    time = FakeTime()
    pace = Pace(limit, window, time.clock, time.sleep)
    turns: list[float] = []
    for gap in gaps:
        time.advance(gap)
        asked = time.now
        waited = pace.wait()
        turns.append(time.now)
        assert waited == pytest.approx(time.now - asked)
        earliest = turns[-1 - limit] + window if len(turns) > limit else asked
        assert time.now == pytest.approx(max(asked, earliest))
    assert all(
        late - early >= window * (1 - 1e-9) - 1e-9
        for early, late in zip(turns, turns[limit:], strict=False)
    )


@given(
    events=st.lists(st.one_of(st.none(), st.floats(0, 100)), max_size=60),
    limit=st.integers(1, 5),
)
def test_nobody_begins_while_the_server_said_wait(events: list[float | None], limit: int) -> None:
    time = FakeTime()
    pace = Pace(limit, 60.0, time.clock, time.sleep)
    held = 0.0
    for event in events:
        if event is None:
            pace.wait()
            assert time.now >= held - 1e-9
        else:
            pace.hold(event)
            held = max(held, time.now + min(event, 60.0))
    assert time.now <= 60.0 * (len(events) + 1)


def test_threads_share_one_pace() -> None:
    pace = Pace(limit=5, window=0.2)

    def work() -> None:
        for _ in range(4):
            pace.wait()

    threads = [threading.Thread(target=work) for _ in range(5)]

    def all_of_them() -> None:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert 0.6 <= elapsed(all_of_them) < 30  # 20 turns: the first 5 at once, 3 windows more.


@pytest.mark.parametrize(("limit", "window"), [(0, 1.0), (-1, 1.0), (1, -0.1)])
def test_a_pace_that_lets_nothing_through_is_refused(limit: int, window: float) -> None:
    with pytest.raises(ValueError, match="lets nothing through"):
        Pace(limit, window)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ('"minute";r=0;t=12, "hour";r=2800;t=1812, "day";r=49500;t=45012', 12),
        ('"minute";r=1;t=12, "hour";r=0;t=1812', 1812),
        ('"minute";r=0;t=12, "hour";r=0;t=9', 12),
        ('"minute"; t=7; r=0', 7),
        ('"minute";r=5;t=12', 0),
        ('"minute";r=0', 0),
        ('"minute";t=5', 0),
        ("", 0),
        ("nonsense", 0),
    ],
)
def test_a_used_up_quota_is_read_from_the_header(header: str, seconds: float) -> None:
    assert exhausted_for(header) == seconds


@given(st.one_of(st.text(), st.from_regex(r'("[a-z]*"(;[rt]=-?\d*)*[, ]*){0,4}')))
def test_any_header_is_a_number_of_seconds(header: str) -> None:
    assert 0 <= exhausted_for(header) < 10**9


def test_a_live_client_stays_under_sixty_requests_a_minute(
    server: ScriptedServer, client: ManagementClient, time: FakeTime
) -> None:
    server.always = says(EMPTY)
    times = []
    for _ in range(200):
        client.endpoints()
        times.append(time.now)
    assert min(late - early for early, late in zip(times, times[59:], strict=False)) >= 60
    assert times[-1] < 200  # 3 full minutes, and a little.


def test_the_pace_can_be_lifted_and_the_emulator_has_none(
    server: ScriptedServer, connect: Callable[..., ManagementClient], time: FakeTime
) -> None:
    server.always = says(EMPTY, RateLimit='"minute";r=0;t=12')
    lifted = connect(pace=Pace.unlimited())
    with ManagementClient(server.embedded) as embedded:
        for _ in range(70):
            lifted.endpoints()
            embedded.endpoints()
    assert time.slept == []


def test_clients_share_the_pace_that_they_are_given(
    server: ScriptedServer, connect: Callable[..., ManagementClient], time: FakeTime
) -> None:
    server.always = says(EMPTY)
    pace = Pace(2, 10.0, time.clock, time.sleep)
    one, two = connect(pace=pace), connect(pace=pace)
    times = []
    for client in (one, two, one, two, one):
        client.endpoints()
        times.append(time.now)
    assert times == [0, 0, 10, 10, 20]


def test_a_used_up_quota_is_waited_for(
    server: ScriptedServer, client: ManagementClient, time: FakeTime
) -> None:
    server.always = says(EMPTY)
    server.plays(says(EMPTY, RateLimit='"minute";r=0;t=12, "hour";r=9;t=99'))
    client.endpoints()
    assert time.now == 0
    client.endpoints()
    assert time.now == pytest.approx(12)


def test_a_day_without_quota_is_not_slept_through(
    server: ScriptedServer, client: ManagementClient, time: FakeTime
) -> None:
    server.always = says(EMPTY, RateLimit='"day";r=0;t=45012')
    times = []
    for _ in range(4):
        client.endpoints()
        times.append(time.now)
    assert max(late - early for early, late in pairwise(times)) <= 62


def test_waiting_for_a_turn_is_not_counted_against_the_deadline(
    server: ScriptedServer, connect: Callable[..., ManagementClient], time: FakeTime
) -> None:
    server.always = says(EMPTY)
    client = connect(pace=Pace(1, 500.0, time.clock, time.sleep))
    client.endpoints()
    server.plays(says({}, 500))
    assert client.endpoints() == []
    assert time.now >= 1000
