"""Workers that do not start, or never become ready."""

from __future__ import annotations

import time

from tests.emulator.harness import Emulator, StartEmulator, is_alive, until


def test_a_worker_that_does_not_start_fails_the_jobs_after_three_attempts(
    emulator: Emulator,
) -> None:
    endpoint = emulator.create(env={"EXIT_AT_START": "7"})
    document = emulator.call(endpoint, do="pid")
    assert document["status"] == "FAILED"
    assert "3 in a row" in document["error"]
    assert "exited with code 7" in document["error"]
    assert "does not want to start" in document["error"]
    again = emulator.call(endpoint, do="pid")
    assert "4 in a row" in again["error"]
    emulator.management.patch(f"/v2/serverless/{endpoint}", json={"env": {}})
    assert emulator.call(endpoint, do="pid")["status"] == "COMPLETED"


def test_a_program_that_is_missing_fails_the_jobs(emulator: Emulator) -> None:
    document = emulator.call(emulator.create(image="test/missing"), do="pid")
    assert document["status"] == "FAILED"
    assert "/nonexistent/program" in document["error"]


def test_failing_starts_do_not_spin(start_emulator: StartEmulator) -> None:
    emulator = start_emulator(retry_delay=0.1, retry_delay_max=10)
    endpoint = emulator.create(env={"EXIT_AT_START": "7"}, workers={"min": 1, "max": 1})
    seen = set()
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        seen |= {worker["id"] for worker in emulator.workers(endpoint)}
    assert 1 <= len(seen) <= 6  # at 0, 0.1, 0.3, 0.7 and 1.5 s


def test_a_worker_that_never_asks_for_a_job_is_given_up(start_emulator: StartEmulator) -> None:
    emulator = start_emulator(worker_start=0.3, retry_delay=0.02)
    endpoint = emulator.create(env={"HANG_AT_START": "1"})
    document = emulator.call(endpoint, do="pid")
    assert document["status"] == "FAILED"
    assert "did not ask for a job within 0.3 s" in document["error"]


def test_a_worker_that_reports_itself_unhealthy_is_not_used(emulator: Emulator) -> None:
    document = emulator.call(emulator.create(env={"UNHEALTHY": "1"}), do="pid")
    assert document["status"] == "FAILED"
    assert "reported itself unhealthy: disk: full" in document["error"]


def test_an_unhealthy_worker_is_killed_though_its_last_job_ends(
    start_emulator: StartEmulator,
) -> None:
    emulator = start_emulator(stop_grace=0.3)
    document = emulator.call(emulator.create(), do="unhealthy")
    assert document["status"] == "COMPLETED"
    until(lambda: is_alive(document["output"]), lambda alive: not alive)


def test_an_image_without_a_program_is_unhealthy_and_fails_jobs_at_once(
    emulator: Emulator,
) -> None:
    endpoint = emulator.create(image="someone/else:1")
    began = time.monotonic()
    document = emulator.call(endpoint, do="pid")
    assert time.monotonic() - began < 15
    assert document["status"] == "FAILED"
    assert "no program for the image 'someone/else:1'" in document["error"]
    assert emulator.statuses(endpoint) == ["UNHEALTHY"]
    assert emulator.call(endpoint, do="pid")["status"] == "FAILED"
    assert emulator.statuses(endpoint) == ["UNHEALTHY"]
    emulator.management.patch(f"/v2/serverless/{endpoint}", json={"image": "test/worker"})
    assert emulator.call(endpoint, do="pid")["status"] == "COMPLETED"
    assert emulator.statuses(endpoint) == ["IDLE"]
