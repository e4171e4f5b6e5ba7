"""Runs that do not end with their last test: nothing leaks, and pytest's own report stands."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

from pytest_flash.runpod import Endpoint
from pytest_flash.settings import MANAGEMENT_URL
from tests.support.processes import wait_gone, wait_until
from tests.support.relay import relaying

Endpoints = Callable[[], list[Endpoint]]
ALONE_OR_NOT = pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])

APP = """\
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
BREAKS = HEAD + "def test_it(flash_client):\n    use(flash_client)\n    {}\n"
IN_A_FIXTURE = HEAD + (
    "@pytest.fixture\ndef bad(flash_client):\n    use(flash_client)\n    {}\n"
    "def test_it(bad):\n    pass\n"
)
AT_THE_END = HEAD + (
    "@pytest.fixture(scope='session')\ndef bad(flash_client_of_session):\n    yield\n    {}\n"
    "def test_it(bad, flash_client):\n    use(flash_client)\n"
).replace("flash_client_of_session", "flash_server")
A_PLUGIN_FAILS = """
def pytest_runtest_logreport(report):
    if report.when == "call":
        raise RuntimeError("a plugin broke")
"""
PROVISIONED = "live-gpu: created in*"


@pytest.fixture(autouse=True)
def app(project: Any) -> None:
    project.write("main.py", APP)


def ended(project: Any, *options: str, **variables: str) -> pytest.RunResult:
    """What a run has printed that left no process."""
    result, tree = project.watched("--junitxml=report.xml", *options, **variables)
    wait_gone(tree, 5)
    assert len(tree) >= 3  # pytest, the emulator or the reaper, and a worker.
    return result  # type: ignore[no-any-return]


def reported(project: Any) -> str | None:
    """How many tests the JUnit report has."""
    (suite,) = ElementTree.parse(project.folder / "report.xml").getroot()
    return suite.get("tests")


@pytest.mark.parametrize(
    ("test", "code"),
    [
        (BREAKS.format("pytest.exit('enough')"), pytest.ExitCode.INTERRUPTED),
        (BREAKS.format("raise KeyboardInterrupt"), pytest.ExitCode.INTERRUPTED),
        (IN_A_FIXTURE.format("raise KeyboardInterrupt"), pytest.ExitCode.INTERRUPTED),
        (AT_THE_END.format("1 / 0"), pytest.ExitCode.TESTS_FAILED),
        (BREAKS.format("asyncio.run(main.linger.spawn())"), pytest.ExitCode.OK),
    ],
    ids=["exit", "interrupt", "fixture", "teardown", "spawned"],
)
@ALONE_OR_NOT
def test_a_run_that_breaks(
    project: Any, test: str, code: pytest.ExitCode, workers: tuple[str, ...]
) -> None:
    project.write("test_app.py", test)
    result = ended(project, *workers)
    assert result.ret == code, result.outlines
    result.stdout.fnmatch_lines([PROVISIONED])
    # pytest-xdist reports a test that was interrupted as one that crashed.
    interrupted = code is pytest.ExitCode.INTERRUPTED and not workers
    # Some versions of pytest count what fails after a test as one more.
    assert (reported(project) == "0") == interrupted


@pytest.mark.parametrize(
    ("test", "code"),
    [
        (BREAKS.format("os._exit(7)"), 7),
        (BREAKS.format("pytest.exit('enough', returncode=7)"), 7),
    ],
    ids=["os", "pytest"],
)
def test_exits_with_a_code_of_its_own(project: Any, test: str, code: int) -> None:
    project.write("test_app.py", test)
    assert ended(project).ret == code


@ALONE_OR_NOT
def test_a_plugin_that_fails(project: Any, workers: tuple[str, ...]) -> None:
    project.write("conftest.py", A_PLUGIN_FAILS)
    project.write("test_app.py", BREAKS.format("pass"))
    result = ended(project, *workers)
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR, result.outlines
    result.stdout.fnmatch_lines(["INTERNALERROR> RuntimeError: a plugin broke"])


def test_an_app_that_blocks_takes_no_report_along(project: Any) -> None:
    project.write(
        "test_app.py",
        BREAKS.format(
            "with pytest.raises(httpx.ReadTimeout):\n"
            "        flash_client.get('/blocks', timeout=0.1)\n    pytest.exit('enough')"
        ),
    )
    result = ended(project)
    assert result.ret == pytest.ExitCode.INTERRUPTED, result.outlines
    result.stdout.fnmatch_lines(
        [
            "flash: the app's server did not stop within 10 s: *",
            "  the app's event loop is blocked: *main.py:* in blocks: time.sleep(600)",
            PROVISIONED,
        ]
    )
    assert reported(project) == "0"


@pytest.mark.parametrize("how", ["os._exit(7)", "pytest.exit('enough', returncode=7)", "pass"])
def test_what_a_broken_run_created_live_is_deleted(
    project: Any, variables: dict[str, str], endpoints: Endpoints, how: str
) -> None:
    if how == "pass":
        project.write("conftest.py", A_PLUGIN_FAILS)
    project.write("test_app.py", BREAKS.format(how))
    result, _ = project.watched("--flash-live", **variables)
    assert result.ret == (pytest.ExitCode.INTERNAL_ERROR if how == "pass" else 7)
    wait_until(lambda: endpoints() == [], 30, "the end of the endpoint")


def test_what_is_left_on_runpod_is_told_without_a_summary_too(
    project: Any, variables: dict[str, str]
) -> None:
    project.write("conftest.py", A_PLUGIN_FAILS)
    project.write(
        "test_app.py",
        HEAD + "import time\ndef test_it(flash_client):\n    use(flash_client)\n"
        "    open('ready', 'w').close()\n    while os.path.exists('ready'): time.sleep(0.05)\n",
    )
    ready, printed = project.folder / "ready", project.folder / "printed"
    with contextlib.ExitStack() as stack:
        with relaying(variables[MANAGEMENT_URL]) as relay:
            addresses = {**variables, MANAGEMENT_URL: relay.url}
            output = stack.enter_context(printed.open("wb"))
            run = stack.enter_context(project.start("--flash-live", output=output, **addresses))
            stack.callback(run.kill)
            wait_until(ready.exists, 60, "the test to be under way")
        ready.unlink()  # The management plane is away by now.
        assert run.wait(60) == pytest.ExitCode.INTERNAL_ERROR
    text = printed.read_text()
    assert text.count("endpoints that could not be deleted on Runpod") == 1
    assert "Run 'flash undeploy" in text
