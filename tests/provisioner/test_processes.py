"""Many processes on one account: at once, killed at any instant, started and ended in any order."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_flash.provisioner.session_records import SessionRecords
from pytest_flash.runpod import ManagementClient
from pytest_flash.target import Target
from tests.support.accounts.relay import Relay, relaying
from tests.support.accounts.sessions import container
from tests.support.environment import ROOT, clean_environment
from tests.support.pytest_runs.forks import Forks
from tests.support.runs.piped import Piped, Program
from tests.support.system.disk import FILL, small_disk
from tests.support.system.processes import wait_until

Start = Callable[..., Program]


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    """Forks ``tests.support.accounts.provision``."""
    with contextlib.closing(Forks(sys.executable, "tests.support.accounts.provision")) as forks:
        yield forks


@pytest.fixture
def relay(account: Target) -> Iterator[Relay]:
    with relaying(account.management_url) as relay:
        yield relay


@pytest.fixture
def start(account: Target, tmp_path: Path, forks: Forks) -> Iterator[Start]:
    """Start ``tests.support.accounts.provision`` with steps."""
    running: list[Program] = []

    def run(
        *steps: Any,
        url: str | None = None,
        creator: str = "run",
        reaper: bool = False,
        within: Sequence[str] = (),
    ) -> Program:
        process = _program(forks, within)
        running.append(process)
        order = {
            "management_url": url or account.management_url,
            "account_url": account.management_url,
            "api_key": account.api_key,
            "folder": str(tmp_path / ".runpod"),
            "creator": creator,
            "reaper": reaper,
            "steps": steps,
        }
        assert process.stdin is not None
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        return process

    yield run
    for process in running:
        process.kill()
        process.communicate()


def _program(forks: Forks, within: Sequence[str]) -> Program:
    if not within and sys.platform == "linux":
        return Piped(forks, cwd=ROOT, env=clean_environment())
    return subprocess.Popen(
        [*within, sys.executable, "-m", "tests.support.accounts.provision"],
        cwd=ROOT,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: Program) -> list[dict[str, str]]:
    """What it printed, once it ended well."""
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out
    return [json.loads(line) for line in out.splitlines()]


def reached(process: Program) -> dict[str, str]:
    """What the next step printed."""
    assert process.stdout is not None
    line = process.stdout.readline()
    answer: dict[str, str] = json.loads(line or "null")
    return answer


def go_on(process: Program) -> None:
    """Let a waiting process go on."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def names(client: ManagementClient) -> list[str]:
    return sorted(endpoint.name for endpoint in client.endpoints())


def test_first_calls_of_many_processes_create_each_endpoint_once(
    start: Start, client: ManagementClient, request: pytest.FixtureRequest
) -> None:
    count = 16 if request.config.getoption("--soak") else 6
    wanted = dict.fromkeys("abcd", 1)
    processes = [start(["wait"], ["ensure", wanted]) for _ in range(count)]
    for process in processes:
        go_on(process)
    made = [finish(process)[1] for process in processes]
    assert all(each == made[0] for each in made)
    assert names(client) == ["live-a", "live-b", "live-c", "live-d"]


def test_endpoints_are_made_three_at_a_time_and_listed_once(
    start: Start, relay: Relay, client: ManagementClient
) -> None:
    relay.delay["POST"] = 0.3
    wanted = dict.fromkeys("abcdefghi", 1)
    finish(start(["ensure", wanted], url=relay.url))
    assert len(client.endpoints()) == 9
    assert (relay.count("POST"), relay.count("GET")) == (9, 1)

    relay.exchanges.clear()
    finish(start(["ensure", wanted], url=relay.url))
    assert (relay.count("POST"), relay.count("GET")) == (0, 1)


def test_a_kill_at_any_instant_forgets_nothing_and_doubles_nothing(
    start: Start,
    relay: Relay,
    client: ManagementClient,
    session_records: Callable[..., SessionRecords],
    request: pytest.FixtureRequest,
) -> None:
    kills = 200 if request.config.getoption("--soak") else 12
    relay.delay.update(POST=0.01, DELETE=0.01, PATCH=0.01)
    chance = random.Random(20261123)
    steps: list[Any] = []
    for workers in (1, 2, 1):
        steps += [["ensure", {"a": workers, "b": workers}], ["remove"]]
    for _ in range(kills):
        process = start(["wait"], *steps, url=relay.url)
        go_on(process)
        assert reached(process) == {}
        time.sleep(chance.uniform(0, 0.35))  # The instant of the kill is what is tried.
        process.kill()
        process.communicate()

        endpoints = client.endpoints()
        found = [endpoint.name for endpoint in endpoints]
        assert len(found) == len(set(found)), found
        records = session_records().records()  # Loads, or the fixture's notice fails the test.
        recorded = {record.endpoint_name for record in records}
        assert set(found) <= recorded
    finish(start(["ensure", {"a": 1, "b": 1}], ["remove"], url=relay.url))
    assert client.endpoints() == []


ORDERS = [
    order
    for order in itertools.permutations(["start A", "start B", "end A", "end B"])
    if order.index("start A") < order.index("end A")
    and order.index("start B") < order.index("end B")
    and order.index("start A") < order.index("start B")
]


@pytest.mark.parametrize("killed", [None, "A", "B"])
@pytest.mark.parametrize("order", ORDERS, ids=", ".join)
def test_sessions_in_every_order_keep_what_the_other_uses(
    start: Start, client: ManagementClient, order: tuple[str, ...], killed: str | None
) -> None:
    sessions: dict[str, Program] = {}
    steps = [["ensure", {"a": 1, "b": 1}], ["wait"], ["release"]]
    for event in order:
        what, name = event.split()
        if what == "start":
            sessions[name] = start(*steps, creator="test", reaper=True)
            assert reached(sessions[name]).keys() == {"a", "b"}
        elif name == killed:
            dying = sessions.pop(name)
            dying.kill()
            dying.wait()
        else:
            process = sessions.pop(name)
            go_on(process)
            finish(process)
        if sessions:
            assert names(client) == ["live-a", "live-b"]
    # One that was killed is cleaned up after, which takes a moment.
    wait_until(lambda: client.endpoints() == [], 30, "the end of every endpoint")


@pytest.mark.parametrize("elsewhere", ["A", "B", "both"])
def test_sessions_of_two_containers_on_one_folder_keep_what_the_other_uses(
    start: Start, client: ManagementClient, elsewhere: str
) -> None:
    """Containers have process namespaces of their own: an id means another process, or none."""
    steps = [["ensure", {"a": 1}], ["wait"], ["release"]]
    sessions = {
        name: start(
            *steps, creator="test", within=container() if elsewhere in (name, "both") else ()
        )
        for name in "AB"
    }
    for process in sessions.values():
        assert reached(process).keys() == {"a"}

    go_on(sessions["A"])
    finish(sessions["A"])
    assert names(client) == ["live-a"]
    go_on(sessions["B"])
    finish(sessions["B"])
    assert names(client) == []


def test_a_create_under_way_when_its_session_is_killed_is_undone(
    start: Start, relay: Relay, client: ManagementClient
) -> None:
    relay.delay["POST"] = 1.0
    process = start(["wait"], ["ensure", {"a": 1}], url=relay.url, creator="test", reaper=True)
    go_on(process)
    wait_until(client.endpoints, 30, "the endpoint, of which the session is not told yet")
    process.kill()
    process.wait()
    wait_until(lambda: client.endpoints() == [], 60, "its end")


def test_a_killed_session_is_cleaned_up_after_also_on_a_full_disk(
    start: Start, client: ManagementClient, tmp_path: Path
) -> None:
    with small_disk(tmp_path / ".runpod"):
        process = start(["ensure", {"a": 1}], ["wait"], creator="test", reaper=True)
        assert reached(process).keys() == {"a"}
        fill: dict[str, Any] = {}
        exec(FILL.format(folder=str(tmp_path / ".runpod")), fill)
        fill["fill"]()
        process.kill()
        process.wait()
        wait_until(lambda: client.endpoints() == [], 30, "the end of the endpoint")


def test_a_session_that_is_interrupted_before_it_has_cleaned_up_is_cleaned_up_after(
    start: Start, client: ManagementClient
) -> None:
    process = start(["ensure", {"a": 1}], ["wait"], ["release"], creator="test", reaper=True)
    assert reached(process).keys() == {"a"}
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    wait_until(lambda: client.endpoints() == [], 30, "the end of the endpoint")
