"""Endpoints when the code that defines them changes under ``flash run``."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from pytest_flash.runpod import Endpoint
from pytest_flash.settings import MANAGEMENT_URL
from tests.support.flash_run import FlashRun
from tests.support.processes import wait_until
from tests.support.relay import relaying

Start = Callable[..., FlashRun]
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


@pytest.fixture
def main(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "pyproject.toml").write_text('[project]\nname = "shop"\n')
    file = folder / "main.py"
    file.write_text(APP)
    return file


def change(main: Path, workers: int) -> None:
    main.write_text(APP.replace("workersMax=2", f"workersMax={workers}"))


def most_workers(endpoints: Endpoints) -> list[int]:
    return [each.document()["workers"]["max"] for each in endpoints()]


def test_drift_is_shown_at_a_reload_and_mended_at_the_next_use(
    flash_run: Start,
    http: httpx.Client,
    main: Path,
    variables: dict[str, str],
    endpoints: Endpoints,
) -> None:
    run = flash_run(cwd=main.parent, **variables)
    assert http.get(run.url).status_code == 200
    assert most_workers(endpoints) == [2]
    (first,) = endpoints()

    change(main, 3)
    run.wait_for("differs from the code")
    assert most_workers(endpoints) == [2]

    assert http.get(run.url).status_code == 200
    assert most_workers(endpoints) == [3]
    (second,) = endpoints()
    assert second.id == first.id

    run.process.terminate()
    assert run.wait(10) == 0
    assert "stay on Runpod: live-shop" in run.output
    assert "flash undeploy live-shop" in run.output


def test_with_auto_provision_drift_is_mended_at_once(
    flash_run: Start,
    http: httpx.Client,
    main: Path,
    variables: dict[str, str],
    endpoints: Endpoints,
) -> None:
    run = flash_run("--auto-provision", cwd=main.parent, **variables)
    assert http.get(f"{run.url}/version").status_code == 200
    change(main, 3)
    wait_until(lambda: most_workers(endpoints) == [3], 20, "the change")


def test_a_resource_that_goes_is_not_deleted_by_a_reload(
    flash_run: Start,
    http: httpx.Client,
    main: Path,
    variables: dict[str, str],
    endpoints: Endpoints,
) -> None:
    run = flash_run("--auto-provision", cwd=main.parent, **variables)
    assert http.get(f"{run.url}/version").status_code == 200
    main.write_text("from fastapi import FastAPI\napp = FastAPI()\n")
    run.wait_for("generation 2")
    assert len(endpoints()) == 1


def test_a_management_request_in_flight_is_waited_for(
    flash_run: Start, http: httpx.Client, main: Path, variables: dict[str, str]
) -> None:
    with relaying(variables[MANAGEMENT_URL]) as relay:
        relay.delay["POST"] = 7.0  # Longer than the grace of a running answer.
        run = flash_run(cwd=main.parent, **{**variables, MANAGEMENT_URL: relay.url})
        url = run.url
        asking = threading.Thread(target=ask, args=(http, url))
        asking.start()
        run.wait_for("creating")
        (old,) = [each for each in run.tree() if each.pid == http.get(f"{url}/pid").json()]
        main.write_text(APP.replace("return 1\n", "return 2\n"))
        wait_until(lambda: http.get(f"{url}/version").json() == 2, 20, "the new code")
        wait_until(lambda: relay.count("POST") or not old.is_alive(), 20, "the creation")
        assert relay.count("POST") == 1
        wait_until(lambda: not old.is_alive(), 10, "the end of the old code")
        assert http.get(url).status_code == 200
        assert relay.count("POST") == 1
        asking.join(30)


def ask(http: httpx.Client, url: str) -> None:
    """A request whose answer may be cut off."""
    try:
        http.get(url)
    except httpx.TransportError:
        return
