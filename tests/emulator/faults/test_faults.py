"""Faults for tests, set through the Python handle."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx
import pytest

from pytest_flash.emulator.client.control import EmulatorControl
from pytest_flash.scope import SCOPE_HEADER
from tests.emulator.harness import KEY, Emulator, until

MINE = {SCOPE_HEADER: "mine"}
OTHERS: list[dict[str, str]] = [{}, {SCOPE_HEADER: "another"}]


def submit(emulator: Emulator, endpoint: str, headers: dict[str, str], **todo: Any) -> str:
    answer = emulator.queue.post(f"/{endpoint}/run", json={"input": todo}, headers=headers)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def result(
    emulator: Emulator, endpoint: str, headers: dict[str, str], **todo: Any
) -> dict[str, Any]:
    return emulator.ended(endpoint, submit(emulator, endpoint, headers, **todo))


def left(emulator: Emulator) -> list[int | None]:
    """How often each fault still occurs."""
    headers = {"Authorization": f"Bearer {KEY}"}
    faults = httpx.get(f"{emulator.origin}/control/faults", headers=headers).json()["faults"]
    return [fault["left"] for fault in faults]


# Requests


def test_requests_are_refused_as_often_as_asked(
    emulator: Emulator, control: EmulatorControl
) -> None:
    control.refuse_requests("management", 503, retry_after=7, count=2)
    for _ in range(2):
        refused = emulator.management.get("/v2/serverless")
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "7"
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["status"] == 503
    assert emulator.management.get("/v2/serverless").status_code == 200


def test_a_refused_request_has_no_effect(emulator: Emulator, control: EmulatorControl) -> None:
    endpoint = emulator.create()
    control.refuse_requests("management", 500, method="DELETE", endpoint=endpoint)
    control.refuse_requests("queue", 502, operation="run", endpoint=endpoint)
    assert emulator.management.get(f"/v2/serverless/{endpoint}").status_code == 200
    assert emulator.management.delete(f"/v2/serverless/{endpoint}").status_code == 500
    assert emulator.queue.get(f"/{endpoint}/health").status_code == 200
    refused = emulator.queue.post(f"/{endpoint}/run", json={"input": {"do": "pid"}})
    assert refused.status_code == 502
    assert refused.json()["error"]
    assert emulator.queue.get(f"/{endpoint}/health").json()["jobs"]["inQueue"] == 0
    assert emulator.call(endpoint, do="echo", value=1)["output"] == 1


def test_an_answer_is_lost_after_the_effect(emulator: Emulator, control: EmulatorControl) -> None:
    endpoint = emulator.create()
    control.refuse_requests("queue", 502, operation="run", moment="after", endpoint=endpoint)
    lost = emulator.queue.post(f"/{endpoint}/run", json={"input": {"do": "echo", "value": 1}})
    assert lost.status_code == 502
    (job,) = emulator.queue.get(f"/{endpoint}/requests").json()["requests"]
    assert emulator.ended(endpoint, job["id"])["output"] == 1
    control.refuse_requests("management", 500, method="DELETE", moment="after", endpoint=endpoint)
    assert emulator.management.delete(f"/v2/serverless/{endpoint}").status_code == 500
    assert emulator.management.get(f"/v2/serverless/{endpoint}").status_code == 404


def test_requests_of_one_endpoint_only(emulator: Emulator, control: EmulatorControl) -> None:
    endpoint, other = emulator.create(name="one"), emulator.create(name="other")
    control.refuse_requests("queue", 429, endpoint="one", count=None)
    assert emulator.queue.get(f"/{other}/health").status_code == 200
    assert emulator.queue.get(f"/{endpoint}/health").status_code == 429


def test_requests_are_served_late(emulator: Emulator, control: EmulatorControl) -> None:
    endpoint = emulator.create()
    control.slow_requests("queue", 60, operation="health", endpoint=endpoint, count=1)
    with pytest.raises(httpx.ReadTimeout):
        emulator.queue.get(f"/{endpoint}/health", timeout=0.2)
    assert emulator.queue.get(f"/{endpoint}/health").status_code == 200


def test_a_request_waits_no_longer_than_its_fault(
    emulator: Emulator, control: EmulatorControl
) -> None:
    endpoint = emulator.create()
    control.slow_requests("queue", 600, operation="health", endpoint=endpoint, count=1)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(emulator.queue.get, f"/{endpoint}/health")
        until(partial(left, emulator), lambda counts: counts == [0])
        control.clear()
        assert waiting.result(10).status_code == 200


@pytest.mark.parametrize("headers", OTHERS, ids=["no scope", "another scope"])
def test_a_scope_keeps_request_faults_to_itself(
    emulator: Emulator, scoped: EmulatorControl, headers: dict[str, str]
) -> None:
    scoped.refuse_requests("management", 500, count=None)
    assert emulator.management.get("/v2/serverless", headers=headers).status_code == 200
    assert emulator.management.get("/v2/serverless", headers=MINE).status_code == 500
    scoped.clear()
    assert emulator.management.get("/v2/serverless", headers=MINE).status_code == 200


# Workers that start


def test_a_cold_start_takes_longer(emulator: Emulator, control: EmulatorControl) -> None:
    endpoint = emulator.create()
    fault = control.cold_start(600, endpoint=endpoint)
    job = emulator.run(endpoint, do="echo", value=1)
    until(partial(emulator.statuses, endpoint), lambda each: each == ["INITIALIZING"])
    assert emulator.status(endpoint, job)["status"] == "IN_QUEUE"
    control.remove(fault)
    assert emulator.ended(endpoint, job)["output"] == 1


def test_a_cold_start_ends_by_itself(emulator: Emulator, control: EmulatorControl) -> None:
    endpoint = emulator.create()
    control.cold_start(0.3, endpoint=endpoint)
    assert emulator.call(endpoint, do="echo", value=1)["delayTime"] >= 300


def test_without_capacity_workers_are_throttled(
    emulator: Emulator, control: EmulatorControl
) -> None:
    endpoint = emulator.create()
    fault = control.no_capacity(endpoint=endpoint)
    job = emulator.run(endpoint, do="echo", value=1)
    until(partial(emulator.statuses, endpoint), lambda each: each == ["THROTTLED"])
    health = emulator.queue.get(f"/{endpoint}/health").json()
    assert health["workers"]["throttled"] == 1
    assert health["jobs"]["inQueue"] == 1
    control.remove(fault)
    assert emulator.ended(endpoint, job)["output"] == 1


def test_a_deleted_endpoint_lets_go_of_throttled_workers(
    emulator: Emulator, control: EmulatorControl
) -> None:
    endpoint = emulator.create()
    control.no_capacity(endpoint=endpoint)
    emulator.run(endpoint, do="pid")
    until(partial(emulator.statuses, endpoint), lambda each: each == ["THROTTLED"])
    assert emulator.management.delete(f"/v2/serverless/{endpoint}").status_code == 204
    assert emulator.management.get(f"/v2/serverless/{endpoint}").status_code == 404


def test_failing_starts_are_retried(emulator: Emulator, control: EmulatorControl) -> None:
    endpoint = emulator.create()
    control.fail_starts("the image cannot be pulled", endpoint=endpoint, count=2)
    assert emulator.call(endpoint, do="echo", value=1)["output"] == 1


def test_jobs_hear_why_no_worker_starts(emulator: Emulator, control: EmulatorControl) -> None:
    endpoint = emulator.create()
    control.fail_starts("the image cannot be pulled", endpoint=endpoint)
    failed = emulator.call(endpoint, do="pid")
    assert failed["status"] == "FAILED"
    assert "the image cannot be pulled" in failed["error"]


@pytest.mark.parametrize("headers", OTHERS, ids=["no scope", "another scope"])
def test_starts_that_fail_for_one_scope_fail_in_no_other(
    emulator: Emulator, scoped: EmulatorControl, headers: dict[str, str]
) -> None:
    endpoint = emulator.create(workers={"max": 1})
    scoped.fail_starts("mine alone", endpoint=endpoint)
    assert "mine alone" in result(emulator, endpoint, MINE, do="pid")["error"]
    assert result(emulator, endpoint, headers, do="echo", value=1)["output"] == 1
    assert "mine alone" in result(emulator, endpoint, MINE, do="pid")["error"]


def test_capacity_that_one_scope_lacks_is_there_for_others(
    emulator: Emulator, scoped: EmulatorControl
) -> None:
    endpoint = emulator.create(workers={"max": 1})
    warm = emulator.call(endpoint, do="pid")["output"]
    scoped.no_capacity(endpoint=endpoint)
    held = submit(emulator, endpoint, MINE, do="pid")
    until(partial(emulator.statuses, endpoint), lambda each: each == ["IDLE", "THROTTLED"])
    assert emulator.call(endpoint, do="pid")["output"] == warm
    assert emulator.status(endpoint, held)["status"] == "IN_QUEUE"
    scoped.clear()
    done = emulator.ended(endpoint, held)
    assert done["status"] == "COMPLETED"
    assert done["output"] != warm
    until(partial(emulator.statuses, endpoint), lambda each: each == ["IDLE"])


def test_workers_that_a_scope_has_warmed_up_serve_no_job_of_a_later_fault(
    emulator: Emulator, scoped: EmulatorControl
) -> None:
    endpoint = emulator.create()
    scoped.cold_start(0.1, endpoint=endpoint)
    first = result(emulator, endpoint, MINE, do="pid")["output"]
    assert result(emulator, endpoint, MINE, do="pid")["output"] == first
    scoped.no_capacity(endpoint=endpoint)
    held = submit(emulator, endpoint, MINE, do="pid")
    until(partial(emulator.statuses, endpoint), lambda each: each == ["IDLE", "THROTTLED"])
    assert emulator.status(endpoint, held)["status"] == "IN_QUEUE"


def test_jobs_apart_count_as_the_endpoints_own(emulator: Emulator, scoped: EmulatorControl) -> None:
    endpoint = emulator.create()
    scoped.no_capacity(endpoint=endpoint)
    held = submit(emulator, endpoint, MINE, do="pid")
    assert emulator.queue.get(f"/{endpoint}/health").json()["jobs"]["inQueue"] == 1
    assert emulator.queue.post(f"/{endpoint}/purge-queue").json()["removed"] == 1
    assert emulator.status(endpoint, held)["status"] == "CANCELLED"
    assert emulator.queue.post(f"/{endpoint}/cancel/{held}").json()["status"] == "CANCELLED"


def test_what_is_forgotten_has_been_counted(emulator: Emulator, scoped: EmulatorControl) -> None:
    endpoint = emulator.create()
    scoped.cold_start(0.1, endpoint=endpoint)
    job = submit(emulator, endpoint, MINE, do="pid")
    emulator.ended(endpoint, job)
    scoped.advance(3600)
    assert emulator.queue.get(f"/{endpoint}/status/{job}").status_code == 404
    scoped.clear()
    until(partial(emulator.workers, endpoint), lambda workers: not workers)
    scoped.clear()
    health = emulator.queue.get(f"/{endpoint}/health").json()
    assert health["jobs"]["completed"] == 1


# Workers and results of jobs


def test_a_worker_killed_before_a_job_costs_only_time(
    emulator: Emulator, control: EmulatorControl
) -> None:
    endpoint = emulator.create()
    warm = emulator.call(endpoint, do="pid")["output"]
    control.kill_worker("before", endpoint=endpoint)
    after = emulator.call(endpoint, do="pid")
    assert after["status"] == "COMPLETED"
    assert after["output"] != warm


@pytest.mark.parametrize("seconds", [0.0, 0.2])
def test_a_worker_killed_during_a_job_fails_it(
    emulator: Emulator, control: EmulatorControl, seconds: float
) -> None:
    endpoint = emulator.create()
    control.kill_worker("during", seconds=seconds, endpoint=endpoint)
    failed = emulator.call(endpoint, do="sleep", seconds=60)
    assert failed["status"] == "FAILED"
    assert "was killed by SIGKILL" in failed["error"]
    assert failed["executionTime"] >= seconds * 1000
    assert emulator.call(endpoint, do="echo", value=1)["output"] == 1


def test_a_worker_killed_after_a_job_leaves_the_result(
    emulator: Emulator, control: EmulatorControl
) -> None:
    endpoint = emulator.create()
    control.kill_worker("after", endpoint=endpoint)
    first = emulator.call(endpoint, do="pid")
    second = emulator.call(endpoint, do="pid")
    assert first["status"] == second["status"] == "COMPLETED"
    assert first["output"] != second["output"]


def test_a_scope_kills_no_worker_of_others(emulator: Emulator, scoped: EmulatorControl) -> None:
    endpoint = emulator.create()
    warm = emulator.call(endpoint, do="pid")["output"]
    scoped.kill_worker("during", endpoint=endpoint, count=None)
    slow = emulator.run(endpoint, do="sleep", seconds=0.5)
    assert result(emulator, endpoint, MINE, do="sleep", seconds=60)["status"] == "FAILED"
    assert emulator.ended(endpoint, slow)["status"] == "COMPLETED"
    assert emulator.call(endpoint, do="pid")["output"] == warm


def test_a_dropped_result_runs_into_the_time_limit(
    emulator: Emulator, control: EmulatorControl
) -> None:
    endpoint = emulator.create(timeout=500)
    control.drop_result(endpoint=endpoint)
    lost = emulator.call(endpoint, do="echo", value=1)
    assert lost["status"] == "TIMED_OUT"
    assert emulator.call(endpoint, do="echo", value=2)["output"] == 2


def test_a_duplicated_result_ends_a_job_once(emulator: Emulator, control: EmulatorControl) -> None:
    endpoint = emulator.create()
    control.duplicate_result(endpoint=endpoint)
    assert emulator.call(endpoint, do="echo", value=1)["output"] == 1
    assert emulator.queue.get(f"/{endpoint}/health").json()["jobs"]["completed"] == 1


def test_results_of_another_scope_arrive(emulator: Emulator, scoped: EmulatorControl) -> None:
    endpoint = emulator.create(timeout=500)
    scoped.drop_result(endpoint=endpoint, count=None)
    assert emulator.call(endpoint, do="echo", value=1)["output"] == 1
    assert result(emulator, endpoint, MINE, do="echo", value=1)["status"] == "TIMED_OUT"


def test_a_retried_job_keeps_its_scope(emulator: Emulator, scoped: EmulatorControl) -> None:
    endpoint = emulator.create()
    scoped.kill_worker("during", endpoint=endpoint, count=2)
    job = submit(emulator, endpoint, MINE, do="sleep", seconds=1)
    assert emulator.ended(endpoint, job)["status"] == "FAILED"
    for expected in ("FAILED", "COMPLETED"):
        assert emulator.queue.post(f"/{endpoint}/retry/{job}").status_code == 200
        assert emulator.ended(endpoint, job)["status"] == expected


# Load-balancing endpoints


@pytest.fixture
def balanced(emulator: Emulator) -> tuple[str, str]:
    """A load-balancing endpoint: its id and its URL."""
    scaling = {"type": "REQUEST_COUNT", "requestCount": 1}
    endpoint = emulator.create(type="LOAD_BALANCER", image="test/http", scaling=scaling)
    document = emulator.management.get(f"/v2/serverless/{endpoint}").json()
    return endpoint, document["requestUrls"]["base"]


def test_the_balancer_refuses(
    emulator: Emulator, scoped: EmulatorControl, balanced: tuple[str, str]
) -> None:
    endpoint, base = balanced
    scoped.refuse_requests("load_balancer", 503, retry_after=3, endpoint=endpoint)
    assert emulator.queue.get(f"{base}/echo").status_code == 200
    refused = emulator.queue.get(f"{base}/echo", headers=MINE)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "3")
    assert emulator.queue.get(f"{base}/echo", headers=MINE).status_code == 200


def test_a_server_sees_no_scope(emulator: Emulator, balanced: tuple[str, str]) -> None:
    seen = emulator.queue.get(f"{balanced[1]}/echo", headers={**MINE, "X-Seen": "1"}).json()
    names = {name for name, _ in seen["headers"]}
    assert "x-seen" in names
    assert SCOPE_HEADER.lower() not in names


def test_a_server_dies_during_a_request(
    emulator: Emulator, scoped: EmulatorControl, balanced: tuple[str, str]
) -> None:
    endpoint, base = balanced
    warm = emulator.queue.get(f"{base}/echo").json()["pid"]
    scoped.kill_worker("during", endpoint=endpoint)
    lost = emulator.queue.get(f"{base}/sleep?seconds=60", headers=MINE)
    assert lost.status_code == 502
    assert "SIGKILL" in lost.json()["error"]
    assert emulator.queue.get(f"{base}/echo").json()["pid"] == warm
