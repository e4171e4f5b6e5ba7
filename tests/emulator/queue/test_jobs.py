"""The job state machine, by itself and on random histories."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from pytest_flash.emulator.queue.jobs import ABSENT, JobQueue, QueuedJob
from pytest_flash.wire.job_state import JobState
from tests.emulator.queue.job_queue import MINUTE, Clock, document, job, submitted


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ended() -> list[QueuedJob]:
    return []


@pytest.fixture
def queue(clock: Clock, ended: list[QueuedJob]) -> JobQueue:
    return JobQueue(clock, ended.append)


def test_jobs_are_taken_in_the_order_of_their_submission(queue: JobQueue) -> None:
    for name in "abc":
        submitted(queue, name)
    assert [taken.id for taken in iter(lambda: queue.take("w"), None)] == ["a", "b", "c"]


def test_a_job_put_back_is_the_next_to_be_taken(queue: JobQueue) -> None:
    for name in "abc":
        submitted(queue, name)
    first = queue.take("w")
    assert first is not None
    queue.put_back(first)
    assert document(first) == {"id": "a", "status": "IN_QUEUE"}
    assert queue.take("v") is first
    assert first.worker_id == "v"


def test_a_job_delivered_again_is_the_next_and_starts_anew(queue: JobQueue) -> None:
    one = submitted(queue, "a")
    submitted(queue, "b")
    queue.take("w")
    queue.progress("a", "w", b'"half"')
    queue.add_partial("a", "w", 1)
    queue.redeliver(one)
    queue.redeliver(one)  # it waits already
    assert (one.state, one.redeliveries, queue.counts().retried) == (JobState.IN_QUEUE, 1, 1)
    assert not queue.finish("a", "w", b"1", None)
    assert queue.take("v") is one
    assert queue.drain_partials(one) == []
    assert "output" not in document(one)


def test_times_are_whole_milliseconds(queue: JobQueue, clock: Clock) -> None:
    one = submitted(queue)
    clock.now += 0.25
    queue.take("w")
    clock.now += 1.5
    queue.finish("a", "w", b'{"x": 1}', None)
    assert document(one) == {
        "id": "a",
        "status": "COMPLETED",
        "delayTime": 250,
        "executionTime": 1500,
        "workerId": "w",
        "output": {"x": 1},
    }


def test_a_job_cancelled_in_the_queue_has_what_strict_clients_require(
    queue: JobQueue, clock: Clock
) -> None:
    one = submitted(queue)
    clock.now += 0.5
    queue.cancel(one)
    assert document(one) == {
        "id": "a",
        "status": "CANCELLED",
        "delayTime": 500,
        "executionTime": 0,
        "workerId": "",
    }


@pytest.mark.parametrize("output", [None, 0, "", [], {}, False])
def test_an_empty_output_is_an_output(queue: JobQueue, output: object) -> None:
    one = submitted(queue)
    queue.take("w")
    queue.finish("a", "w", json.dumps(output).encode(), None)
    assert document(one)["output"] == output


def test_no_output_is_no_output(queue: JobQueue) -> None:
    one = submitted(queue)
    queue.take("w")
    queue.finish("a", "w", ABSENT, None)
    assert "output" not in document(one)


def test_an_error_and_an_output_stand_side_by_side(queue: JobQueue) -> None:
    one = submitted(queue)
    queue.take("w")
    queue.finish("a", "w", b'{"partial": 1}', "boom")
    shown = document(one)
    assert (shown["status"], shown["error"], shown["output"]) == (
        "FAILED",
        "boom",
        {"partial": 1},
    )


def test_a_result_from_another_worker_is_ignored(queue: JobQueue) -> None:
    one = submitted(queue)
    queue.take("w")
    assert not queue.finish("a", "v", b"1", None)
    assert one.state is JobState.IN_PROGRESS


@pytest.mark.parametrize(
    "end",
    [
        lambda queue, one: queue.finish(one.id, "w", b"1", None),
        lambda queue, one: queue.finish(one.id, "w", b"1", "boom"),
        lambda queue, one: queue.fail(one, "boom"),
        lambda queue, one: queue.cancel(one),
    ],
    ids=["completed", "failed by its worker", "failed", "cancelled"],
)
def test_what_comes_late_changes_nothing(
    queue: JobQueue, ended: list[QueuedJob], end: Callable[[JobQueue, QueuedJob], object]
) -> None:
    one = submitted(queue)
    queue.take("w")
    end(queue, one)
    before = document(one)
    queue.finish("a", "w", b'"late"', None)
    queue.progress("a", "w", b'"late"')
    queue.fail(one, "late")
    queue.cancel(one)
    queue.put_back(one)
    assert document(one) == before
    assert ended == [one]


def test_a_job_that_runs_too_long_times_out(queue: JobQueue, clock: Clock) -> None:
    one = submitted(queue, timeout=5)
    clock.now += 7
    queue.take("w")
    clock.now += 4.9
    queue.expire()
    assert document(one)["status"] == "IN_PROGRESS"
    clock.now = queue.next_due() or 0
    queue.expire()
    shown = document(one)
    assert (shown["status"], shown["executionTime"]) == ("TIMED_OUT", 5000)
    assert "5 s" in shown["error"]
    assert queue.get("a") is one


def test_a_job_is_forgotten_in_any_state_at_the_end_of_its_time_to_live(
    queue: JobQueue, clock: Clock, ended: list[QueuedJob]
) -> None:
    one = submitted(queue, "a", ttl=20)
    other = submitted(queue, "b", ttl=20, timeout=100)
    queue.take("w")
    clock.now += 20
    queue.expire()
    assert (one.state, other.state) == (JobState.TIMED_OUT, JobState.TIMED_OUT)
    assert queue.get("a") is queue.get("b") is None
    assert sorted(each.id for each in ended) == ["a", "b"]


def test_a_result_is_kept_for_its_retention(queue: JobQueue, clock: Clock) -> None:
    submitted(queue)
    queue.take("w")
    queue.finish("a", "w", b"1", None)
    clock.now += MINUTE - 1
    queue.expire()
    assert queue.get("a") is not None
    clock.now += 1
    queue.expire()
    assert queue.get("a") is None


def test_a_longer_time_to_live_is_granted(queue: JobQueue, clock: Clock) -> None:
    one = submitted(queue, ttl=20)
    queue.extend(one, 50)
    clock.now += 49
    queue.expire()
    assert one.state is JobState.IN_QUEUE


@pytest.mark.parametrize("failed", [True, False])
def test_a_failed_or_timed_out_job_runs_again_under_its_id(
    queue: JobQueue, clock: Clock, failed: bool
) -> None:
    one = submitted(queue)
    queue.take("w")
    if failed:
        queue.finish("a", "w", b'"old"', "boom")
    else:
        clock.now += 10
        queue.expire()
    assert queue.retry(one)
    assert document(one) == {"id": "a", "status": "IN_QUEUE"}
    taken = queue.take("v")
    assert taken is one
    assert taken.input == b'{"n":"a"}'
    queue.finish("a", "v", b'"new"', None)
    counts = queue.counts()
    assert (counts.completed, counts.failed, counts.timed_out, counts.retried) == (1, 0, 0, 1)


def test_only_failures_are_retried(queue: JobQueue) -> None:
    one = submitted(queue)
    assert not queue.retry(one)
    queue.take("w")
    assert not queue.retry(one)
    queue.finish("a", "w", b"1", None)
    assert not queue.retry(one)


def test_purging_leaves_running_jobs_alone(queue: JobQueue) -> None:
    running, waiting = submitted(queue, "a"), submitted(queue, "b")
    queue.take("w")
    assert queue.purge() == 1
    assert (running.state, waiting.state) == (JobState.IN_PROGRESS, JobState.CANCELLED)


def test_low_priority_jobs_delay_no_others(queue: JobQueue) -> None:
    queue.submit(job("a", low=True))
    queue.submit(job("b"))
    assert queue.pressing == 1
    queue.take("w")
    assert queue.pressing == 1
    queue.purge()
    assert queue.pressing == 0


def test_a_stream_is_drained(queue: JobQueue) -> None:
    one = submitted(queue)
    queue.take("w")
    queue.add_partial("a", "w", 1)
    queue.add_partial("a", "w", 2)
    assert queue.drain_partials(one) == [1, 2]
    assert queue.drain_partials(one) == []


def test_deadlines_do_not_pile_up(queue: JobQueue, clock: Clock) -> None:
    for number in range(5000):
        submitted(queue, str(number), ttl=86400)
        queue.take("w")
        queue.finish(str(number), "w", b"null", None)
        clock.now += 0.1
        queue.expire()
    assert len(queue) <= MINUTE / 0.1 + 1
    assert len(queue._due) <= 64 + 4 * len(queue) + 1
