"""The handle on an emulator: what it refuses, and what it reports."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from pytest_flash.emulator.client.control import EmulatorControl
from pytest_flash.emulator.faults.fault_types import OPERATIONS
from pytest_flash.errors import EmulatorError
from tests.emulator.harness import KEY, Emulator
from tests.runpod.scripted import KEY as SCRIPTED_KEY
from tests.runpod.scripted import Act, half, page, says, scripted


def test_a_fault_for_an_endpoint_that_does_not_exist_is_refused(
    emulator: Emulator, control: EmulatorControl
) -> None:
    emulator.create(name="there")
    with pytest.raises(EmulatorError, match=r"no endpoint .* 'missing'; there are: there"):
        control.cold_start(1, endpoint="missing")


def test_values_that_make_no_sense_are_refused(
    emulator: Emulator, control: EmulatorControl
) -> None:
    with pytest.raises(ValueError, match="status 200 refuses nothing"):
        control.refuse_requests("queue", 200)
    with pytest.raises(ValueError, match="seconds"):
        control.cold_start(-1)
    with pytest.raises(EmulatorError, match=r"\$\.count"):
        control.drop_result(count=0)
    with pytest.raises(EmulatorError, match="never was, or was removed"):
        control.remove("fault-0")


def test_faults_of_requests_that_nobody_sends_are_refused(control: EmulatorControl) -> None:
    with pytest.raises(ValueError, match=r"no operation 'runSync'; it has .*runsync"):
        control.refuse_requests("queue", 503, operation="runSync")
    with pytest.raises(ValueError, match="management plane has no operations"):
        control.slow_requests("management", 1, operation="run")
    with pytest.raises(ValueError, match="use 'POST'"):
        control.slow_requests("queue", 1, method="post")


def test_faults_know_operations_that_are_served(emulator: Emulator) -> None:
    endpoint = emulator.create()
    for operation in OPERATIONS:
        paths = (f"/{endpoint}/{operation}", f"/{endpoint}/{operation}/job")
        answers = [emulator.queue.put(path).status_code for path in paths]
        assert sorted(answers) == [404, 405], operation  # one is there, for other methods


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"effect": {"kind": "wishes"}},
        {"effect": {"kind": "cold_start"}},
        {"effect": {"kind": "cold_start", "seconds": -1}},
        {"effect": {"kind": "cold_start", "seconds": 1, "bogus": 1}},
        {"effect": {"kind": "no_capacity"}, "bogus": 1},
        {"effect": {"kind": "refused_request", "plane": "worker", "status": 500}},
        {"effect": {"kind": "refused_request", "plane": "queue", "status": 200}},
        {"effect": {"kind": "slow_request", "plane": "queue", "seconds": 1, "operation": "go"}},
    ],
)
def test_the_control_plane_refuses_what_it_does_not_know(
    emulator: Emulator, body: dict[str, Any]
) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    answer = httpx.post(f"{emulator.origin}/control/faults", json=body, headers=headers)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"]


def test_the_control_plane_wants_the_key(emulator: Emulator) -> None:
    assert httpx.get(f"{emulator.origin}/control/faults").status_code == 401


def test_endpoints_report_their_workers_and_jobs(
    emulator: Emulator, control: EmulatorControl
) -> None:
    endpoint = emulator.create(name="shop", workers={"max": 1})
    pid = emulator.call(endpoint, do="pid")["output"]
    running = emulator.run(endpoint, do="sleep", seconds=60)
    emulator.running(endpoint, running)
    waiting = emulator.run(endpoint, do="pid")
    (report,) = [each for each in control.endpoints() if each.id == endpoint]
    assert report.name == "shop"
    (worker,) = report.workers
    assert (worker.pid, worker.status, worker.jobs) == (pid, "RUNNING", (running,))
    assert [(job.id, job.state, job.worker) for job in report.jobs] == [
        (running, "IN_PROGRESS", worker.id),
        (waiting, "IN_QUEUE", None),
    ]
    first, second = report.jobs
    assert first.running is not None
    assert first.age >= first.running >= 0
    assert second.age >= 0
    assert second.running is None


def test_a_foreign_program_shows_no_stack(emulator: Emulator, control: EmulatorControl) -> None:
    endpoint = emulator.create()
    worker = emulator.call(endpoint, do="pid")["workerId"]
    with pytest.raises(EmulatorError, match="shows no Python stacks"):
        control.stack(worker)
    with pytest.raises(EmulatorError, match="'nobody' not found"):
        control.stack("nobody")
    assert emulator.call(endpoint, do="echo", value=1)["workerId"] == worker


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (says({"detail": "no", "errors": ["a", "b"]}, 422), r"refuses this: no \(a; b\)$"),
        (
            says({"detail": f"got Bearer {SCRIPTED_KEY}"}, 422),
            r"refuses this: got Bearer \[the API",
        ),
        (says({"error": "gone"}, 404), "refuses this: gone"),
        (page(), "is not an emulator of this version: GET /control/endpoints: 200"),
        (page(502), "is not an emulator of this version: GET /control/endpoints: 502"),
        (says(["endpoints"]), "is not an emulator of this version"),
        (half({"endpoints": []}), "cannot be reached"),
    ],
)
def test_refusals_and_unreadable_responses_are_errors_without_the_key(
    act: Act, message: str
) -> None:
    with scripted() as server, EmulatorControl(f"{server.url}/api", SCRIPTED_KEY) as control:
        server.plays(act)
        with pytest.raises(EmulatorError, match=message) as caught:
            control.endpoints()
    assert SCRIPTED_KEY not in str(caught.value)
