"""Runs that do not end with their last test: nothing leaks, and pytest's own report stands."""

from __future__ import annotations

import os
import signal

import pytest

from pytest_flash.settings import MANAGEMENT_URL
from tests.support.accounts.account import Account
from tests.support.accounts.relay import relaying
from tests.support.pytest_runs.downstream import Project
from tests.support.pytest_runs.inner_run import text
from tests.support.system.processes import wait_until

ALONE_OR_NOT = pytest.mark.parametrize(
    "workers", [(), ("-n1", "--max-worker-restart=0")], ids=["alone", "xdist"]
)

APP = """
import time
from fastapi import FastAPI
from pytest_flash import LiveServerless, remote

app = FastAPI()

@remote(LiveServerless(name="gpu"))
def double(x):
    return x * 2

@remote(LiveServerless(name="gpu"))
def linger():
    import time
    time.sleep(600)

@app.get("/double/{x}")
async def doubled(x: int):
    return await double(x)

@app.get("/blocks")
async def blocks():
    time.sleep(600)
"""
HEAD = """
import asyncio, httpx, os, pytest, main

def use(client):
    assert client.get("/double/2").json() == 4
"""
IN_A_TEST = (
    HEAD
    + """
def test_it(flash_client):
    use(flash_client)
    {}
"""
)
IN_A_FIXTURE = (
    HEAD
    + """
@pytest.fixture
def bad(flash_client):
    use(flash_client)
    {}

def test_it(bad):
    pass
"""
)
AT_THE_END = (
    HEAD
    + """
@pytest.fixture(scope="session")
def bad(flash_server):
    yield
    {}

def test_it(bad, flash_client):
    use(flash_client)
"""
)
BLOCKS = (
    HEAD
    + """
def test_it(flash_client):
    use(flash_client)
    with pytest.raises(httpx.ReadTimeout):
        flash_client.get("/blocks", timeout=httpx.Timeout(60, read=0.1))
    pytest.exit("enough")
"""
)
STOPS_WITHIN_ONE_SECOND = """
import pytest

@pytest.fixture(scope="session")
def flash_server(flash_app, flash_endpoints, flash_session):
    with flash_session.serving(flash_app, stop_within=1) as server:
        yield server
"""
A_PLUGIN_FAILS = """
def pytest_runtest_logreport(report):
    if report.when == "call":
        raise RuntimeError("a plugin broke")
"""
PROVISIONED = "live-gpu: created in*"


@pytest.fixture
def project(project: Project) -> Project:
    project.write("main.py", APP)
    return project


@pytest.mark.parametrize(
    ("test", "code"),
    [
        (IN_A_TEST.format("pytest.exit('enough')"), pytest.ExitCode.INTERRUPTED),
        (IN_A_TEST.format("raise KeyboardInterrupt"), pytest.ExitCode.INTERRUPTED),
        (IN_A_FIXTURE.format("raise KeyboardInterrupt"), pytest.ExitCode.INTERRUPTED),
        (AT_THE_END.format("1 / 0"), pytest.ExitCode.TESTS_FAILED),
        (IN_A_TEST.format("asyncio.run(main.linger.spawn())"), pytest.ExitCode.OK),
    ],
    ids=["exit", "interrupt", "fixture", "teardown", "spawned"],
)
@ALONE_OR_NOT
def test_a_run_that_breaks(
    project: Project, test: str, code: pytest.ExitCode, workers: tuple[str, ...]
) -> None:
    project.write("test_app.py", test)
    run = project.report(*workers, leaving_nothing=True)
    assert run.result.ret == code, run.text
    run.result.stdout.fnmatch_lines([PROVISIONED])
    # pytest-xdist reports a test that was interrupted as one that crashed.
    interrupted = code is pytest.ExitCode.INTERRUPTED and not workers
    # Some versions of pytest count what fails after a test as one more.
    assert bool(run.outcomes) != interrupted


@pytest.mark.parametrize(
    ("test", "code"),
    [
        (IN_A_TEST.format("os._exit(7)"), 7),
        (IN_A_TEST.format("pytest.exit('enough', returncode=7)"), 7),
    ],
    ids=["os", "pytest"],
)
def test_exits_with_a_code_of_its_own(project: Project, test: str, code: int) -> None:
    project.write("test_app.py", test)
    assert project.pytest(leaving_nothing=True).ret == code


@ALONE_OR_NOT
def test_a_plugin_that_fails(project: Project, workers: tuple[str, ...]) -> None:
    project.write("conftest.py", A_PLUGIN_FAILS)
    project.write("test_app.py", IN_A_TEST.format("pass"))
    result = project.pytest(*workers, leaving_nothing=True)
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR, text(result)
    result.stdout.fnmatch_lines(["INTERNALERROR> RuntimeError: a plugin broke"])


def test_an_app_that_blocks_takes_no_report_along(project: Project) -> None:
    project.write("conftest.py", STOPS_WITHIN_ONE_SECOND)
    project.write("test_app.py", BLOCKS)
    run = project.report(leaving_nothing=True)
    assert run.result.ret == pytest.ExitCode.INTERRUPTED, run.text
    run.result.stderr.fnmatch_lines(
        [
            "flash: the app's server did not stop within 1 s: *",
            "  the app's event loop is blocked: *main.py:* in blocks: time.sleep(600)",
        ]
    )
    run.result.stdout.fnmatch_lines([PROVISIONED])
    assert not run.outcomes


@pytest.mark.parametrize("how", ["os._exit(7)", "pytest.exit('enough', returncode=7)", "pass"])
def test_what_a_broken_run_created_live_is_deleted(
    project: Project, account: Account, variables: dict[str, str], how: str
) -> None:
    if how == "pass":
        project.write("conftest.py", A_PLUGIN_FAILS)
    project.write("test_app.py", IN_A_TEST.format(how))
    result = project.pytest("--flash-live", env=variables)
    assert result.ret == (pytest.ExitCode.INTERNAL_ERROR if how == "pass" else 7), text(result)
    wait_until(lambda: account.endpoints() == [], 120, "the end of the endpoint")


def test_what_is_left_on_runpod_is_told_without_a_summary_too(
    project: Project, variables: dict[str, str]
) -> None:
    project.write("conftest.py", A_PLUGIN_FAILS)
    project.write("test_app.py", IN_A_TEST.format("pass"))
    with relaying(variables[MANAGEMENT_URL]) as relay:
        relay.refused.add("DELETE")
        result = project.pytest("--flash-live", env={**variables, MANAGEMENT_URL: relay.url})
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR, text(result)
    assert text(result).count("endpoints that could not be deleted on Runpod") == 1
    assert "Run 'flash undeploy" in text(result)


def test_what_a_run_leaves_is_seen(project: Project) -> None:
    project.write(
        "test_app.py",
        """
        import subprocess

        def test_it():
            subprocess.Popen(["sleep", "600"], start_new_session=True)
        """,
    )
    before = project.left()
    assert project.pytest("-W", "ignore::ResourceWarning").ret == 0
    (left,) = project.left() - before
    os.kill(left.pid, signal.SIGKILL)
    assert "sleep 600" in left.command
