"""``--flash-live`` on an account: a stand-alone emulator."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from tests.support.accounts.account import Account
from tests.support.pytest_runs.downstream import Project
from tests.support.system.processes import descendants, wait_gone, wait_until

Passes = Callable[..., None]
USES_IT = """
def test_it(flash_client):
    assert flash_client.get("/double/1").json()["value"] == 2
"""
STAYS_IF_TOLD = (
    USES_IT
    + """
    import os, pathlib, time
    if os.environ.get("STAY"):
        pathlib.Path("ready").touch()
        time.sleep(600)
"""
)
THREE_ENDPOINTS = """
from fastapi import FastAPI
from pytest_flash import LiveServerless, remote

app = FastAPI()

@remote(LiveServerless(name="r0"))
def f0(): pass

@remote(LiveServerless(name="r1"))
def f1(): pass

@remote(LiveServerless(name="r2"))
def f2(): pass
"""


def names(account: Account) -> list[str]:
    return sorted(endpoint.name for endpoint in account.endpoints())


@pytest.mark.parametrize("outcome", ["passed", "failed"])
def test_what_a_run_created_is_deleted_at_its_end(
    project: Project, passes: Passes, account: Account, variables: dict[str, str], outcome: str
) -> None:
    project.write("test_app.py", USES_IT + ("    assert False\n" if outcome == "failed" else ""))
    passes(project.pytest("--flash-live", env=variables), **{outcome: 1})
    assert names(account) == []


def test_keeping_leaves_endpoints_for_the_next_run(
    project: Project, passes: Passes, account: Account, variables: dict[str, str]
) -> None:
    project.write("test_app.py", USES_IT)
    passes(project.pytest("--flash-live", "--flash-keep", env=variables), passed=1)
    (kept,) = account.endpoints()
    passes(project.pytest("--flash-live", "--flash-keep", env=variables), passed=1)
    assert [endpoint.id for endpoint in account.endpoints()] == [kept.id]
    passes(project.pytest("--flash-live", env=variables), passed=1)
    assert names(account) == []


def test_the_namespace_is_an_option(
    project: Project, passes: Passes, account: Account, variables: dict[str, str]
) -> None:
    project.write("test_app.py", USES_IT)
    run = project.pytest("--flash-live", "--flash-keep", "--flash-namespace=ann", env=variables)
    passes(run, passed=1)
    assert names(account) == ["live-ann-gpu"]


def test_more_endpoints_than_allowed_end_the_run_before_the_first(
    project: Project, passes: Passes, account: Account, variables: dict[str, str]
) -> None:
    project.write("main.py", THREE_ENDPOINTS)
    project.write("test_app.py", "def test_it(flash_client): pass\n")

    result = project.pytest("--flash-live", "--flash-max-endpoints", "2", env=variables)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = "\n".join([*result.outlines, *result.errlines])
    assert "--flash-max-endpoints 3" in text
    assert names(account) == []
    allowed = project.pytest("--flash-live", "--flash-max-endpoints", "3", env=variables)
    passes(allowed, passed=1)


def test_what_a_killed_run_created_is_deleted_at_once(
    project: Project, account: Account, variables: dict[str, str]
) -> None:
    project.write("test_app.py", STAYS_IF_TOLD)
    with project.under_way("--flash-live", env={"STAY": "1", **variables}) as run:
        started = descendants(run.pid)
        assert names(account) == ["live-gpu"]
        run.kill()
        wait_until(lambda: account.endpoints() == [], 120, "the end of the endpoint")
        wait_gone(started, 60)


def test_what_a_killed_run_leaves_is_deleted_by_the_next(
    project: Project, passes: Passes, account: Account, variables: dict[str, str]
) -> None:
    project.write("test_app.py", STAYS_IF_TOLD)
    with project.under_way("--flash-live", env={"STAY": "1", **variables}) as run:
        # The process that would clean up goes first.
        for process in sorted(descendants(run.pid), key=lambda each: each.pid == run.pid):
            os.kill(process.pid, signal.SIGKILL)
        run.wait(60)
    assert names(account) == ["live-gpu"]

    passes(project.pytest("--flash-live", env=variables), passed=1)
    assert names(account) == []
