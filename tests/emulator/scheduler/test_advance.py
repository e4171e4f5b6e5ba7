"""Time that passes at once: for the jobs of one scope, and the workers that served them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest

from pytest_flash.emulator.client.control import EmulatorControl
from pytest_flash.errors import EmulatorError
from pytest_flash.scope import SCOPE_HEADER
from tests.emulator.harness import KEY, Emulator, StartEmulator, handle, until

HOUR = 3600.0
MINE, ANOTHER = {SCOPE_HEADER: "mine"}, {SCOPE_HEADER: "another"}


def submit(emulator: Emulator, endpoint: str, headers: dict[str, str], **todo: Any) -> str:
    answer = emulator.queue.post(f"/{endpoint}/run", json={"input": todo}, headers=headers)
    return str(answer.json()["id"])


def served(emulator: Emulator, endpoint: str, headers: dict[str, str]) -> str:
    """A job that has been done; its worker."""
    job = submit(emulator, endpoint, headers, do="pid")
    return str(emulator.ended(endpoint, job)["workerId"])


def is_kept(emulator: Emulator, endpoint: str, job: str) -> bool:
    return emulator.queue.get(f"/{endpoint}/status/{job}").status_code == 200


def test_a_worker_idles_out(emulator: Emulator, scoped: EmulatorControl) -> None:
    endpoint, other = (
        emulator.create(name=name, workers={"max": 1, "idleTimeout": 3000}) for name in "ab"
    )
    mine, others = served(emulator, endpoint, MINE), served(emulator, other, ANOTHER)
    scoped.advance(1500)
    assert [each["id"] for each in emulator.workers(endpoint)] == [mine]
    scoped.advance(1501)
    assert emulator.workers(endpoint) == []
    assert [each["id"] for each in emulator.workers(other)] == [others]
    assert served(emulator, endpoint, MINE) != mine


def test_a_worker_stays_where_one_is_to_stay(emulator: Emulator, scoped: EmulatorControl) -> None:
    endpoint = emulator.create(workers={"min": 1, "max": 2})
    worker = served(emulator, endpoint, MINE)
    scoped.advance(HOUR)
    assert [each["id"] for each in emulator.workers(endpoint)] == [worker]
    assert served(emulator, endpoint, MINE) == worker


def test_a_worker_that_works_does_not_idle_out(emulator: Emulator, scoped: EmulatorControl) -> None:
    endpoint = emulator.create(workers={"max": 1}, timeout=2 * 3_600_000)
    job = submit(emulator, endpoint, MINE, do="sleep", seconds=60)
    emulator.running(endpoint, job)
    scoped.advance(HOUR)
    assert emulator.statuses(endpoint) == ["RUNNING"]


def test_a_job_runs_into_its_time_limit(emulator: Emulator, scoped: EmulatorControl) -> None:
    endpoint = emulator.create(timeout=600_000)
    jobs = [submit(emulator, endpoint, each, do="sleep", seconds=60) for each in (MINE, ANOTHER)]
    mine, others = jobs
    for job in jobs:
        emulator.running(endpoint, job)
    scoped.advance(599)
    assert emulator.status(endpoint, mine)["status"] == "IN_PROGRESS"
    scoped.advance(60)
    ended = emulator.status(endpoint, mine)
    assert ended["status"] == "TIMED_OUT"
    assert ended["executionTime"] == 600_000  # not when it was noticed
    assert emulator.status(endpoint, others)["status"] == "IN_PROGRESS"


def test_a_result_is_kept_for_its_time(emulator: Emulator, scoped: EmulatorControl) -> None:
    endpoint = emulator.create()
    mine, others = (submit(emulator, endpoint, each, do="pid") for each in (MINE, ANOTHER))
    emulator.ended(endpoint, mine)
    emulator.ended(endpoint, others)
    scoped.advance(HOUR / 2 - 60)
    assert is_kept(emulator, endpoint, mine)
    scoped.advance(60)
    assert not is_kept(emulator, endpoint, mine)
    assert is_kept(emulator, endpoint, others)


def test_a_job_that_nobody_takes_waits_so_long(emulator: Emulator, scoped: EmulatorControl) -> None:
    endpoint = emulator.create()
    fault = scoped.no_capacity()
    job = submit(emulator, endpoint, MINE, do="pid")
    scoped.advance(40)
    scoped.remove(fault)
    assert 40_000 <= emulator.ended(endpoint, job)["delayTime"] < 100_000

    scoped.no_capacity()
    job = submit(emulator, endpoint, MINE, do="pid")
    scoped.advance(24 * HOUR)
    assert not is_kept(emulator, endpoint, job)  # its time to live is over


@pytest.fixture
def patient(start_emulator: StartEmulator) -> Iterator[tuple[Emulator, EmulatorControl]]:
    """An emulator that tries a failed start again after an hour."""
    emulator = start_emulator(retry_delay=HOUR, retry_delay_max=HOUR)
    with handle(emulator, "mine") as scoped:
        yield emulator, scoped


def test_a_failed_start_is_tried_again(patient: tuple[Emulator, EmulatorControl]) -> None:
    emulator, scoped = patient
    endpoint = emulator.create()
    scoped.fail_starts(count=1)
    job = submit(emulator, endpoint, MINE, do="pid")
    until(partial(starts_to_come, emulator), lambda count: count == 0)
    until(partial(emulator.workers, endpoint), lambda workers: workers == [])
    scoped.advance(HOUR)
    assert emulator.ended(endpoint, job)["status"] == "COMPLETED"


def starts_to_come(emulator: Emulator) -> int:
    """How many starts the faults have still to fail."""
    headers = {"Authorization": f"Bearer {KEY}"}
    faults = httpx.get(f"{emulator.origin}/control/faults", headers=headers).json()["faults"]
    return sum(fault["left"] for fault in faults)


def test_time_is_moved_for_a_scope_alone_and_forwards(
    control: EmulatorControl, scoped: EmulatorControl
) -> None:
    with pytest.raises(EmulatorError, match="one test only: use the fixture flash_emulator"):
        control.advance(1)
    for seconds in (-1, 31 * 24 * HOUR, float("nan"), float("inf")):
        with pytest.raises(EmulatorError, match="refuses this"):
            scoped.advance(seconds)
