"""Ports for workers: free ones, and none twice."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from pytest_flash.emulator.processes.ports import Ports, WorkerPorts


def test_no_port_is_given_twice_at_a_time() -> None:
    ports = Ports()
    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda number: ports.reserve(str(number), {}), range(500)))
    assert len({each.main for each in given}) == 500


def test_a_port_in_use_is_not_given() -> None:
    with socket.socket() as taken:
        ports = Ports()
        port = ports.reserve("a", {}).main
        ports.release("a")
        taken.bind(("127.0.0.1", port))
        taken.listen()
        given = {ports.reserve(str(number), {}).main for number in range(500)}
        assert port not in given


@pytest.mark.parametrize(
    ("env", "same"),
    [
        ({}, True),
        ({"PORT": "5000"}, True),
        ({"PORT": "5000", "PORT_HEALTH": "5000"}, True),
        ({"PORT_HEALTH": "80"}, True),
        ({"PORT_HEALTH": "81"}, False),
        ({"PORT": "5000", "PORT_HEALTH": "80"}, False),
    ],
)
def test_the_health_check_has_a_port_of_its_own_where_the_endpoint_says_so(
    env: dict[str, str], same: bool
) -> None:
    given = Ports().reserve("a", env)
    assert (given.main == given.health) is same
    assert given.environment() == {"PORT": str(given.main), "PORT_HEALTH": str(given.health)}


def test_a_worker_that_is_gone_has_none() -> None:
    ports = Ports()
    given = ports.reserve("a", {})
    assert ports.of("a") == given
    assert isinstance(given, WorkerPorts)
    ports.release("a")
    ports.release("a")
    assert ports.of("a") is None
