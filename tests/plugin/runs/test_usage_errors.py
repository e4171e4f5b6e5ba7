"""Usage errors that show only while tests run: exit code 4, one message, and no failed test."""

from __future__ import annotations

import os
import re

import pytest

from pytest_flash.settings import MANAGEMENT_URL
from tests.support.accounts.account import Account
from tests.support.accounts.relay import relaying
from tests.support.pytest_runs.downstream import NO_APP, Project
from tests.support.pytest_runs.inner_run import text

LIMITED = ("--flash-live", "--flash-max-endpoints=1")
FUNCTION = """
from pytest_flash import LiveServerless, remote

@remote(LiveServerless(name="first"))
def first():
    return 1
"""
# A module that is imported later, so that its endpoint is made by a first call.
EXTRA = """
from pytest_flash import LiveServerless, remote

@remote(LiveServerless(name="second"))
def second():
    return 2
"""
APP = """
from fastapi import FastAPI

app = FastAPI()

@app.get("/late")
async def late():
    from extra import second
    return await second()

@app.get("/swallowed")
async def swallowed():
    try:
        return await late()
    except Exception as error:
        return str(error)
"""
SIX = "import pytest\n@pytest.mark.parametrize('n', range(6))\n"
ALONE_OR_NOT = pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])


@pytest.fixture
def project(project: Project) -> Project:
    project.write("main.py", FUNCTION)
    project.write("extra.py", EXTRA)
    project.write("conftest.py", NO_APP)
    return project


def with_app(project: Project) -> Project:
    """The project with an app besides its function."""
    project.write("main.py", FUNCTION + APP)
    (project.folder / "conftest.py").unlink()
    return project


def check(result: pytest.RunResult, message: str, **outcomes: int) -> None:
    """The run has ended with ``message``, told once, and pytest's code of usage errors."""
    printed = text(result)
    assert result.ret == pytest.ExitCode.USAGE_ERROR, printed
    assert len(re.findall(message, printed)) == 1, printed
    assert "Traceback" not in printed
    assert result.parseoutcomes() == outcomes, printed


TOO_MANY = (
    r"would create 2 endpoints on Runpod \(live-first, live-second\); the limit is 1. Raise it "
    r"with --flash-max-endpoints 2"
)


@pytest.mark.parametrize(
    "options", [(), ("-n2",), ("-n1", "-x", "--reruns=2")], ids=["alone", "n2", "stopping"]
)
def test_too_many_endpoints(
    project: Project, variables: dict[str, str], options: tuple[str, ...]
) -> None:
    project.write("main.py", FUNCTION + EXTRA)
    project.write("test_app.py", SIX + "def test_it(flash_endpoints, n): pass\n")
    with relaying(variables[MANAGEMENT_URL]) as relay:
        variables = {**variables, MANAGEMENT_URL: relay.url}
        result = project.pytest(*LIMITED, *options, env=variables)
        assert relay.count("POST") == 0
        # One look at the account, and one in search of what an earlier run left, at the most.
        assert relay.count("GET") <= 2
    check(result, TOO_MANY)


IN_THE_TEST = f"""
import asyncio
{SIX}
def test_it(flash_endpoints, n):
    from extra import second
    assert asyncio.run(second()) == 2
"""
IN_A_HANDLER = f"""
{SIX}
def test_it(flash_client, n):
    assert flash_client.get("/late").status_code == 200
"""
SWALLOWED = f"""
{SIX}
def test_it(flash_client, n):
    assert "the limit is 1" in flash_client.get("/swallowed").text
"""
LIVE_BY_CONFIGURATION = """
import dataclasses, pytest

@pytest.fixture(scope="session")
def flash_config(flash_config):
    return dataclasses.replace(flash_config, live=True)
"""


@ALONE_OR_NOT
@pytest.mark.parametrize("where", ["test", "handler"])
def test_too_many_endpoints_by_a_first_call(
    project: Project,
    account: Account,
    variables: dict[str, str],
    workers: tuple[str, ...],
    where: str,
) -> None:
    if where == "test":
        project.write("test_app.py", IN_THE_TEST)
    else:
        with_app(project).write("test_app.py", IN_A_HANDLER)
    check(
        project.pytest(*LIMITED, *workers, env=variables),
        r"would create 2 endpoints on Runpod \(live-second, and 1 before\); the limit is 1",
    )
    assert account.endpoints() == []


def test_a_test_that_passes_all_the_same_is_the_last(
    project: Project, account: Account, variables: dict[str, str]
) -> None:
    with_app(project).write("test_app.py", SWALLOWED)
    check(project.pytest(*LIMITED, env=variables), "would create 2 endpoints", passed=1)
    assert account.endpoints() == []


@ALONE_OR_NOT
def test_live_by_configuration(project: Project, workers: tuple[str, ...]) -> None:
    project.write("conftest.py", LIVE_BY_CONFIGURATION)
    project.write("test_app.py", SIX + "def test_it(flash_session, n): pass\n")
    check(project.pytest(*workers), "flash_config decides nothing about --flash-live")


def test_commands_of_another_user_in_a_folder_above(project: Project) -> None:
    if os.geteuid() != 0:
        pytest.skip("giving files to other users needs root")
    above = project.folder.parent / "pyproject.toml"
    above.write_text('[tool.flash.emulator.images]\n"an/image" = "sh -c evil"\n')
    os.chown(above, 12345, 12345)
    project.write("test_app.py", "def test_it(flash_client): pass\n")
    result = project.pytest()
    result.assert_outcomes(errors=1)
    assert "belongs to user 12345" in "\n".join(result.outlines)
