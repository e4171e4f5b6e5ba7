"""What is kept of what happens, and how much."""

from __future__ import annotations

import pickle
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from pytest_flash.console.history import JOBS, History, after
from pytest_flash.console.journal import Journal
from pytest_flash.console.views import details, overview, row
from pytest_flash.events import (
    AppBroken,
    EndpointPending,
    EndpointRemoved,
    Event,
    JobNamed,
    JobOutput,
    Notice,
    Reloading,
    ServerEnded,
)
from tests.console.reported import (
    MAIN,
    READY,
    SERVING,
    TARGET,
    ended,
    failed,
    recorded,
    started,
)


def happened(*events: Event) -> History:
    return reduce(after, map(recorded, events), History())


def output(call: int, text: str) -> JobOutput:
    return JobOutput(call, "resize", f"{MAIN}:9", "live-gpu", f"job-{call}", "w1", text)


def test_a_job_is_seen_from_its_start_to_its_end() -> None:
    history = after(History(), recorded(started(), at=1000))
    (job,) = history.jobs.values()
    assert row(job)["status"] == "RUNNING"
    assert row(job)["input"] == "width=3"

    history = after(history, recorded(JobNamed(1, "job-1"), at=1001))
    history = after(history, recorded(output(1, "half way"), at=1002))
    assert details(history.jobs["1-1"])["logs"] == "half way\n"

    history = after(history, recorded(ended(), at=1003))
    shown = details(history.jobs["1-1"])
    assert (shown["status"], shown["output"], shown["logs"]) == ("COMPLETED", "'done'", "hello\n")
    assert (shown["started"], shown["ended"]) == (1000, 1003)
    assert (shown["delay"], shown["execution"], shown["cold"]) == (12, 34, True)


def test_a_failure_shows_its_last_line_and_its_traceback() -> None:
    history = happened(started(), failed())
    shown = details(history.jobs["1-1"])
    assert shown["outcome"] == "division by zero"
    assert "ZeroDivisionError" in shown["traceback"]


def test_calls_of_each_generation_are_told_apart() -> None:
    history = after(happened(started(), ended()), recorded(started(), generation=2))
    assert [each.job.finished for each in history.jobs.values()] == [1000.0, None]
    assert list(history.jobs) == ["1-1", "2-1"]


def test_running_jobs_outlast_those_that_ended() -> None:
    history = happened(started(1))
    for call in range(2, JOBS + 50):
        history = reduce(after, [recorded(started(call)), recorded(ended(call))], history)
    assert len(history.jobs) == JOBS
    assert "1-1" in history.jobs
    assert "1-2" not in history.jobs
    assert after(history, recorded(ended(2))) is history


def test_endpoints_follow_what_is_done_to_them() -> None:
    def state(*events: Event) -> str:
        (shown,) = overview(happened(TARGET, SERVING, *events), {})["endpoints"]
        return str(shown["state"])

    assert state() == "lazy"
    assert state(EndpointPending("live-gpu", "creating")) == "creating"
    assert state(EndpointPending("live-gpu", "creating"), READY) == "provisioned"
    assert state(READY, EndpointRemoved("live-gpu", "ep0")) == "lazy"


def test_broken_code_is_shown_until_it_is_fixed() -> None:
    broken = happened(SERVING, Reloading(("main.py",)), AppBroken("main.py:1: SyntaxError"))
    assert overview(broken, {})["broken"] == "main.py:1: SyntaxError"
    assert overview(broken, {})["reloading"] is None
    assert overview(broken, {})["endpoints"]
    fixed = after(broken, recorded(SERVING))
    assert overview(fixed, {})["broken"] is None


def test_an_app_that_ended_is_told_until_it_serves_again() -> None:
    ended_app = happened(SERVING, ServerEnded(3))
    assert overview(ended_app, {})["broken"] == "the app's process ended with exit code 3"
    assert overview(after(ended_app, recorded(SERVING)), {})["broken"] is None


def test_texts_are_bounded_and_keep_their_end() -> None:
    history = happened(started(), *(output(1, "x" * 10_000 + str(each)) for each in range(10)))
    kept = history.jobs["1-1"].job.stdout
    assert len(kept) <= 32_001
    assert kept.endswith("9\n")


def test_the_key_is_never_recorded() -> None:
    journal = Journal(secret="rpa_secret")
    journal.record(recorded(started(input="key='rpa_secret'")))
    journal.record(
        recorded(failed(stdout="using rpa_secret", error="rpa_secret?", traceback="rpa_secret!"))
    )
    journal.record(recorded(Notice("rpa_secret")))
    assert "rpa_secret" not in repr(journal.history)
    assert journal.history.jobs["1-1"].job.input == "key='[the API key]'"


def test_readers_are_woken_while_they_read() -> None:
    journal, woken = Journal(), []
    with journal.read_by(lambda: woken.append(len(journal.history.jobs))):
        journal.record(recorded(started(1)))
        journal.record(recorded(started(2)))
    journal.record(recorded(started(3)))
    assert woken == [1, 2]


CALLS = st.integers(1, 400)
EVENTS = st.one_of(
    CALLS.map(started),
    CALLS.map(lambda call: JobNamed(call, f"job-{call}")),
    st.builds(output, CALLS, st.text(max_size=50)),
    CALLS.map(ended),
    CALLS.map(failed),
    st.sampled_from([TARGET, SERVING, READY, Notice("n"), AppBroken("b"), Reloading(("f",))]),
)


@given(st.lists(st.tuples(st.integers(1, 3), EVENTS), max_size=300))
def test_any_order_of_events_gives_a_bounded_history_that_can_be_handed_on(
    happening: list[tuple[int, Event]],
) -> None:
    journal = Journal()
    for at, (generation, event) in enumerate(happening):
        journal.record(recorded(event, generation, float(at)))
    history = journal.history
    assert len(history.jobs) <= JOBS
    assert pickle.loads(pickle.dumps(history)) == history
    assert [row(job)["id"] for job in history.jobs.values()] == list(history.jobs)
    assert overview(history, {})["endpoints"] is not None
