"""What a worker of the emulator may become, and how it is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flash.emulator.processes.worker_logs import WorkerLogs
from pytest_flash.emulator.scheduler.worker import EmulatedWorker
from pytest_flash.emulator.scheduler.worker_state import WorkerState

STATES = st.sampled_from(WorkerState)


def worker(*states: WorkerState) -> EmulatedWorker:
    made = EmulatedWorker("w", 1, "image", WorkerLogs(lambda: 0.0).open("w"))
    for state in states:
        made.advance(state)
    return made


@given(st.lists(STATES), STATES)
def test_a_worker_that_is_stopping_keeps_stopping(
    states: list[WorkerState], to: WorkerState
) -> None:
    made = worker(*states)
    assert made.advance(WorkerState.STOPPING) or made.is_stopping
    assert not made.advance(to)
    made.fail("was late")
    assert made.is_stopping
    assert made.problem == "was late"


@given(st.lists(STATES))
def test_one_that_failed_takes_no_job_and_is_not_counted(states: list[WorkerState]) -> None:
    made = worker(*states)
    made.fail("broke")
    if not made.state.is_starting:  # Without capacity nothing has started that could fail.
        assert not made.state.takes_jobs
        assert not made.state.is_live


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ([], "INITIALIZING"),
        ([WorkerState.THROTTLED], "THROTTLED"),
        ([WorkerState.THROTTLED, WorkerState.STARTING], "INITIALIZING"),
        ([WorkerState.READY], "IDLE"),
        ([WorkerState.READY, WorkerState.THROTTLED], "IDLE"),
        ([WorkerState.READY, WorkerState.SERVING], "IDLE"),
        ([WorkerState.FAILED_START, WorkerState.READY], "UNHEALTHY"),
        ([WorkerState.READY, WorkerState.SERVING, WorkerState.FAILED], "UNHEALTHY"),
    ],
)
def test_the_status_that_is_shown(states: list[WorkerState], status: str) -> None:
    made = worker(*states)
    assert made.status == status
    made.jobs.add("job")
    assert made.status == ("RUNNING" if status == "IDLE" else status)


def test_whether_a_start_failed_depends_on_its_first_job() -> None:
    early = worker(WorkerState.READY)
    early.fail("broke")
    late = worker(WorkerState.READY, WorkerState.SERVING, WorkerState.RETIRING)
    late.fail("broke")
    assert (early.state, early.state.had_no_job) == (WorkerState.FAILED_START, True)
    assert (late.state, late.state.had_no_job) == (WorkerState.FAILED, False)
