"""Requests wait for a healthy worker of a load-balancing endpoint, and say why there is none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.emulator.balancer.load_balanced import Endpoint, MakeEndpoint, error
from tests.emulator.harness import Emulator, StartEmulator, is_alive, until


@pytest.fixture
def endpoint(emulator: Emulator) -> Iterator[MakeEndpoint]:
    make = MakeEndpoint(emulator)
    yield make
    for each in make.made:
        each.client.close()


def test_a_request_waits_for_a_worker_to_be_healthy(endpoint: MakeEndpoint, tmp_path: Path) -> None:
    ping = tmp_path / "ping"
    ping.write_text("204")
    balanced = endpoint(env={"PING": str(ping), "HEALTH_CHECK_PATH": "well"})
    assert balanced.urls["health"] == balanced.urls["base"] + "/well"
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(balanced.pid)
        until(balanced.statuses, lambda statuses: statuses == ["INITIALIZING"])
        (worker,) = balanced.emulator.workers(balanced.id)
        assert not asked.done()
        ping.write_text("200")
        asked.result(10)
    assert [each["id"] for each in balanced.emulator.workers(balanced.id)] == [worker["id"]]


def test_without_a_healthy_worker_a_request_is_given_up(
    start_emulator: StartEmulator, endpoint: MakeEndpoint, tmp_path: Path
) -> None:
    ping = tmp_path / "ping"
    ping.write_text("204")
    balanced = endpoint(start_emulator(balancer_wait=0.5), env={"PING": str(ping)})
    answer = balanced.get("/echo")
    assert answer.status_code == 503
    assert error(answer).startswith("no workers available: worker ")
    assert "has not answered its health check with 200: GET /ping on 127.0.0.1" in error(answer)


def test_without_any_worker_a_request_is_given_up(
    start_emulator: StartEmulator, endpoint: MakeEndpoint
) -> None:
    answer = endpoint(start_emulator(balancer_wait=0.1), workers={"max": 0}).get("/echo")
    assert answer.status_code == 503
    assert error(answer) == "no workers available"


def test_a_worker_that_never_becomes_healthy_is_reported(
    start_emulator: StartEmulator, endpoint: MakeEndpoint, tmp_path: Path
) -> None:
    ping = tmp_path / "ping"
    ping.write_text("204")
    balanced = endpoint(start_emulator(worker_start=0.4, retry_delay=0.01), env={"PING": str(ping)})
    answer = balanced.get("/echo")
    assert answer.status_code == 503
    assert "did not become healthy within 0.4 s" in error(answer)


def test_an_unhealthy_worker_is_replaced(
    start_emulator: StartEmulator, endpoint: MakeEndpoint, tmp_path: Path
) -> None:
    ping = tmp_path / "ping"
    balanced = endpoint(
        start_emulator(health_interval=0.05, unhealthy_grace=0.3), env={"PING": str(ping)}
    )
    first = balanced.pid()
    ping.write_text("500")
    until(lambda: is_alive(first), lambda alive: not alive)
    ping.write_text("200")
    assert balanced.pid() != first


def test_a_worker_may_be_unhealthy_for_a_moment(
    start_emulator: StartEmulator, endpoint: MakeEndpoint, tmp_path: Path
) -> None:
    ping = tmp_path / "ping"
    balanced = endpoint(
        start_emulator(health_interval=0.02, unhealthy_grace=60.0), env={"PING": str(ping)}
    )
    first = balanced.pid()
    ping.write_text("503")
    with ThreadPoolExecutor() as pool:
        # Until the next health check requests still get through.
        asked = pool.submit(balanced.pid)
        while not _waits(balanced):
            assert asked.result(10) == first
            asked = pool.submit(balanced.pid)
        assert not asked.done()
        ping.write_text("200")
        assert asked.result(10) == first


def _waits(balanced: Endpoint) -> bool:
    """Whether the request that was sent just now still waits after a while."""
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        report = balanced.emulator.management.get(f"{balanced.emulator.origin}/control/endpoints")
        if "IN_QUEUE" in report.text:
            return True
    return False


def test_a_server_without_a_health_check_is_reported(
    start_emulator: StartEmulator, endpoint: MakeEndpoint, tmp_path: Path
) -> None:
    ping = tmp_path / "ping"
    ping.write_text("404")
    balanced = endpoint(
        start_emulator(unhealthy_grace=0.1, retry_delay=0.01), env={"PING": str(ping)}
    )
    answer = balanced.get("/echo")
    assert answer.status_code == 503
    assert "answered its health check, GET /ping, with 404" in error(answer)


def test_the_health_check_may_have_a_port_of_its_own(endpoint: MakeEndpoint) -> None:
    env = endpoint(env={"PORT": "5000", "PORT_HEALTH": "5001"}).get("/echo").json()["env"]
    assert env["PORT"] != env["PORT_HEALTH"]


def test_a_server_that_does_not_start_is_reported(endpoint: MakeEndpoint) -> None:
    answer = endpoint(env={"EXIT_AT_START": "3"}).get("/echo")
    assert answer.status_code == 503
    assert "exited with code 3" in error(answer)
    assert "this server does not want to start" in error(answer)


def test_an_image_without_a_program_is_reported(endpoint: MakeEndpoint) -> None:
    answer = endpoint(image="someones/image:1").get("/echo")
    assert answer.status_code == 503
    assert '"someones/image:1" = ' in error(answer)


def test_an_image_for_queues_is_refused(endpoint: MakeEndpoint) -> None:
    answer = endpoint(image="runpod/flash-cpu:latest").get("/echo")
    assert "is for queue-based endpoints only" in error(answer)
