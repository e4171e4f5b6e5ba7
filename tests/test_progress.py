"""What is known of jobs and endpoints after each event."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from flash_cli.activity import Board
from pytest_flash.console.history import History, after
from pytest_flash.console.views import overview
from pytest_flash.events import (
    AppBroken,
    EndpointPending,
    EndpointReady,
    EndpointRemoved,
    Event,
    JobNamed,
    JobOutput,
)
from pytest_flash.progress import EndpointProgress, Job, endpoints_after
from pytest_flash.testing.observing.run_summary import Totals
from tests.console.reported import READY, SERVING, ended, recorded, started

PENDING = EndpointPending("live-gpu", "creating")
REMOVED = EndpointRemoved("live-gpu", "ep0")
REUSED = EndpointReady("live-gpu", "ep0", "reused", 0.0)


def endpoint(*events: Event) -> EndpointProgress:
    known: Mapping[str, EndpointProgress] = {}
    for event in events:
        known = endpoints_after(known, event, 1.0)
    return known["live-gpu"]


def test_a_caller_that_gave_up_loses_nothing_that_was_known() -> None:
    job = Job.begun(started(), 1.0).after(JobNamed(1, "job-1"), 2.0)
    job = job.after(JobOutput(1, "resize", "", "live-gpu", "job-1", "w1", "half way"), 3.0)
    job = job.after(ended(state=None, job_id=None, worker_id=None, stdout="", error="gone"), 4.0)
    assert (job.id, job.worker_id, job.stdout) == ("job-1", "w1", "half way\n")
    assert (job.status, job.finished, job.failed) == (None, 4.0, True)


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([started()], "provisioned"),
        ([PENDING], "lazy"),
        ([PENDING, READY], "cold"),
        ([REUSED], "provisioned"),
        ([READY, started(), ended()], "warm"),
        ([READY, started(), ended(state=None, worker_id=None)], "cold"),
        ([READY, ended(), REUSED], "provisioned"),
        ([READY, ended(), REMOVED], "lazy"),
        ([READY, ended(), REMOVED, READY], "cold"),
    ],
)
def test_states_of_an_endpoint(events: list[Event], state: str) -> None:
    board = Board()
    for event in events:
        board.update(event)
    assert board.state(SERVING.endpoints[0]) == state


def test_work_that_code_which_is_gone_had_begun_is_not_pending() -> None:
    broken = AppBroken("main.py:1: SyntaxError")
    assert endpoint(PENDING).pending == PENDING
    assert endpoint(PENDING, broken).pending is None
    history = History()
    for event in (SERVING, PENDING, broken):
        history = after(history, recorded(event))
    (shown,) = overview(history, {})["endpoints"]
    assert shown["state"] == "lazy"


def test_the_longest_activity_is_named_and_the_others_counted() -> None:
    now = [1.0]
    board = Board(clock=lambda: now[0])
    assert board.longest is None
    for event in (SERVING, started(1), PENDING, started(2)):
        now[0] += 1
        board.update(event)
    longest = board.longest
    assert longest is not None
    assert (longest.text, longest.began) == ("cold start of live-gpu with numpy", 3.0)
    assert longest.others == 2
    board.update(ended(1))
    assert board.longest is not None
    assert (board.longest.text, board.longest.others) == ("creating live-gpu", 1)
    for event in (READY, ended(2)):
        board.update(event)
    assert board.longest is None


def test_an_endpoint_that_was_made_again_was_not_deleted() -> None:
    totals = Totals(live=True)
    for event in (READY, REMOVED):
        totals.take(event)
    assert list(totals.lines(all_passed=True)) == ["live-gpu: created in 0.0 s, deleted"]
    totals.take(READY)
    assert list(totals.lines(all_passed=True)) == ["live-gpu: created in 0.0 s, kept"]
