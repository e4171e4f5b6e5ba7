"""Endpoints when the code that defines them changes under ``flash run``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest

from pytest_flash.runpod import Endpoint
from pytest_flash.settings import MANAGEMENT_URL
from tests.support.accounts.account import Account
from tests.support.accounts.relay import Relay, relaying
from tests.support.runs.saving import save
from tests.support.runs.shared_run import SharedRun, sharing
from tests.support.system.processes import wait_until

Endpoints = Callable[[], list[Endpoint]]

APP = """\
import os
from fastapi import FastAPI
from pytest_flash import CpuLiveServerless, remote

app = FastAPI()

@remote(CpuLiveServerless(name="shop", workersMax=2))
def work():
    return os.getpid()

@app.get("/")
async def index():
    return await work()

@app.get("/pid")
async def pid():
    return os.getpid()

@app.get("/version")
async def version():
    return 1
"""


@dataclass(frozen=True)
class Relayed:
    """A server that reaches its account through a relay."""

    shared: SharedRun
    relay: Relay


@pytest.fixture(scope="module")
def relayed(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    folder = tmp_path_factory.mktemp("relayed")
    with relaying(account.variables[MANAGEMENT_URL]) as relay:
        environment = {**account.variables, MANAGEMENT_URL: relay.url}
        timings = {"reload_grace": 0.2}
        with sharing(folder, environment=environment, timings=timings) as shared:
            yield Relayed(shared, relay)


@pytest.fixture(scope="module")
def provisioning(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedRun]:
    """A server that makes endpoints before it serves."""
    folder = tmp_path_factory.mktemp("provisioning")
    with sharing(folder, "--auto-provision", environment=account.variables) as shared:
        yield shared


def serve(shared: SharedRun, source: str, http: httpx.Client, url: str) -> None:
    save(shared.main, source)
    wait_until(lambda: http.get(f"{url}/version").status_code == 200, 60, "the app")


def with_workers(most: int) -> str:
    return APP.replace("workersMax=2", f"workersMax={most}")


def most_workers(endpoints: Endpoints) -> list[int]:
    return [each.document()["workers"]["max"] for each in endpoints()]


def test_a_management_request_in_flight_is_waited_for(
    relayed: Relayed, http: httpx.Client, variables: dict[str, str]
) -> None:
    shared, relay = relayed.shared, relayed.relay
    run = shared.begin()
    url = run.url
    serve(shared, APP, http, url)
    relay.delay["POST"] = 1.5  # Longer than the grace of a running answer.
    created = relay.count("POST")
    asking = threading.Thread(target=ask, args=(http, url))
    asking.start()
    run.wait_for("creating")
    (old,) = [each for each in run.tree() if each.pid == http.get(f"{url}/pid").json()]
    save(shared.main, APP.replace("return 1\n", "return 2\n"))
    wait_until(lambda: http.get(f"{url}/version").json() == 2, 60, "the new code")
    ended = lambda: relay.count("POST") > created or not old.is_alive()  # noqa: E731
    wait_until(ended, 60, "the creation")
    assert relay.count("POST") == created + 1
    wait_until(lambda: not old.is_alive(), 60, "the end of the old code")
    assert http.get(url).status_code == 200
    assert relay.count("POST") == created + 1
    asking.join(60)
    relay.delay.clear()


def ask(http: httpx.Client, url: str) -> None:
    """A request whose answer may be cut off."""
    try:
        http.get(url)
    except httpx.TransportError:
        return


def test_with_auto_provision_drift_is_fixed_at_once(
    provisioning: SharedRun, http: httpx.Client, variables: dict[str, str], endpoints: Endpoints
) -> None:
    serve(provisioning, with_workers(2), http, provisioning.begin().url)
    assert most_workers(endpoints) == [2]
    save(provisioning.main, with_workers(3))
    wait_until(lambda: most_workers(endpoints) == [3], 60, "the change")


def test_a_resource_that_goes_is_not_deleted_by_a_reload(
    provisioning: SharedRun, http: httpx.Client, variables: dict[str, str], endpoints: Endpoints
) -> None:
    url = provisioning.begin().url
    serve(provisioning, APP, http, url)
    save(provisioning.main, "from fastapi import FastAPI\napp = FastAPI()\n")
    wait_until(lambda: http.get(f"{url}/version").status_code == 404, 60, "the new code")
    assert len(endpoints()) == 1


# The last, since it ends the run.
def test_drift_is_shown_at_a_reload_and_fixed_at_the_next_use(
    relayed: Relayed, http: httpx.Client, variables: dict[str, str], endpoints: Endpoints
) -> None:
    shared = relayed.shared
    run = shared.begin()
    serve(shared, APP, http, run.url)
    assert http.get(run.url).status_code == 200
    assert most_workers(endpoints) == [2]
    (first,) = endpoints()

    save(shared.main, with_workers(3))
    run.wait_for("differs from the code")
    assert most_workers(endpoints) == [2]

    assert http.get(run.url).status_code == 200
    assert most_workers(endpoints) == [3]
    (second,) = endpoints()
    assert second.id == first.id

    run.process.terminate()
    assert run.wait() == 0
    assert "stay on Runpod: live-shop" in run.output
    assert "flash undeploy live-shop" in run.output
