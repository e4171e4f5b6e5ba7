"""What ``flash run`` makes of what serving processes report."""

from __future__ import annotations

from pytest_flash.console.history import Recorded
from pytest_flash.console.token import ConsoleAccess
from pytest_flash.events import Event, JobEnded, JobStarted
from pytest_flash.runner.console.event_hub import EventHub
from tests.console.reported import ended, started


def test_everything_is_shown_kept_and_passed_on() -> None:
    shown: list[Event] = []
    first: list[Recorded] = []
    second: list[Recorded] = []
    event_hub = EventHub(shown.append, ConsoleAccess())
    event_hub.tell(started(1), 1)
    console = event_hub.console(first.append)
    assert console is not None
    assert list(console.history.jobs) == ["1-1"]

    event_hub.tell(ended(1), 1)
    following = event_hub.console(second.append)
    event_hub.tell(started(1), 2)
    assert [each.event for each in first] == [ended(1)]
    assert [(each.generation, each.event) for each in second] == [(2, started(2))]
    assert following is not None
    assert following.history.jobs["1-1"].job.status == "COMPLETED"
    assert shown == [started(1), ended(1), started(2)]


def test_calls_are_numbered_through_all_generations() -> None:
    shown: list[Event] = []
    event_hub = EventHub(shown.append, None)
    for generation, event in (
        (1, started(1)),
        (2, started(1)),
        (1, ended(1)),
        (2, started(2)),
        (2, ended(1)),
        (2, ended(2)),
    ):
        event_hub.tell(event, generation)
    calls = [each.call for each in shown if isinstance(each, JobStarted | JobEnded)]
    assert calls == [1, 2, 1, 3, 2, 3]


def test_a_worker_is_cold_but_once_however_often_the_code_changes() -> None:
    shown: list[Event] = []
    event_hub = EventHub(shown.append, None)
    for generation, worker in ((1, "w1"), (2, "w1"), (2, "w2")):
        event_hub.tell(ended(worker_id=worker, cold=True), generation)
    assert [each.cold for each in shown if isinstance(each, JobEnded)] == [True, False, True]


def test_the_key_is_in_nothing_that_is_kept_or_passed_on() -> None:
    passed: list[Recorded] = []
    event_hub = EventHub(lambda _: None, ConsoleAccess())
    event_hub.hide("rpa_secret")
    console = event_hub.console(passed.append)
    event_hub.tell(started(input="'rpa_secret'"), 1)
    event_hub.tell(ended(stdout="rpa_secret"), 1)
    assert "rpa_secret" not in repr((passed, console, event_hub.console(passed.append)))
    assert len(passed) == 2


def test_without_a_console_nothing_is_kept() -> None:
    event_hub = EventHub(lambda _: None, None)
    event_hub.tell(started())
    assert event_hub.console(lambda _: None) is None
