"""What ``flash run`` makes of what serving processes report."""

from __future__ import annotations

from pytest_flash.console.history import Recorded
from pytest_flash.console.token import Pass
from pytest_flash.events import Event, JobEnded
from pytest_flash.runner.console.event_hub import Desk
from tests.console.reported import ended, started


def test_everything_is_shown_kept_and_passed_on() -> None:
    shown: list[Event] = []
    first: list[Recorded] = []
    second: list[Recorded] = []
    desk = Desk(shown.append, Pass())
    desk.tell(started(1), 1)
    seat = desk.seat(first.append)
    assert seat is not None
    assert list(seat.history.jobs) == ["1-1"]

    desk.tell(ended(1), 1)
    following = desk.seat(second.append)
    desk.tell(started(1), 2)
    assert [each.event for each in first] == [ended(1)]
    assert [(each.generation, each.event) for each in second] == [(2, started(1))]
    assert following is not None
    assert following.history.jobs["1-1"].job.status == "COMPLETED"
    assert shown == [started(1), ended(1), started(1)]


def test_a_worker_is_cold_but_once_however_often_the_code_changes() -> None:
    shown: list[Event] = []
    desk = Desk(shown.append, None)
    for generation, worker in ((1, "w1"), (2, "w1"), (2, "w2")):
        desk.tell(ended(worker_id=worker, cold=True), generation)
    assert [each.cold for each in shown if isinstance(each, JobEnded)] == [True, False, True]


def test_the_key_is_in_nothing_that_is_kept_or_passed_on() -> None:
    passed: list[Recorded] = []
    desk = Desk(lambda _: None, Pass())
    desk.hide("the-key")
    seat = desk.seat(passed.append)
    desk.tell(started(input="'the-key'"), 1)
    desk.tell(ended(stdout="the-key"), 1)
    assert "the-key" not in repr((passed, seat, desk.seat(passed.append)))
    assert len(passed) == 2


def test_without_a_console_nothing_is_kept() -> None:
    desk = Desk(lambda _: None, None)
    desk.tell(started())
    assert desk.seat(lambda _: None) is None
