"""Asynchronous tests: pytest-asyncio in both modes, and anyio on asyncio and trio."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Passes = Callable[..., None]

TESTS = """
import main

{mark}
async def test_direct({extra}flash_endpoints):
    assert (await main.double(2))["value"] == 4

{mark}
async def test_again({extra}flash_endpoints, flash_jobs):
    assert (await main.double(3))["value"] == 6
    assert len(flash_jobs) == 1 and not flash_jobs[0].cold

{mark}
async def test_client({extra}flash_async_client):
    answer = await flash_async_client.get("/double/4")
    assert answer.json()["value"] == 8

{mark}
async def test_both_clients({extra}flash_async_client, flash_client):
    async with flash_async_client as client:
        assert (await client.get("/double/5")).json()["value"] == 10
    assert flash_client.get("/double/5").json()["value"] == 10
"""


@pytest.mark.parametrize("scope", ["function", "session"])
@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_pytest_asyncio(project: Any, passes: Passes, mode: str, scope: str) -> None:
    project.write(
        "pytest.ini",
        f"[pytest]\nfilterwarnings = error\nasyncio_mode = {mode}\n"
        "asyncio_default_fixture_loop_scope = function\n"
        f"asyncio_default_test_loop_scope = {scope}\n",
    )
    mark = "@pytest.mark.asyncio" if mode == "strict" else ""
    project.write("test_app.py", "import pytest\n" + TESTS.format(mark=mark, extra=""))
    passes(project.pytest("-p", "pytest_asyncio.plugin"), passed=4)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_anyio(project: Any, passes: Passes, backend: str) -> None:
    if backend == "trio":
        project.python.need("trio")
    project.write(
        "test_app.py",
        "import pytest\n\n@pytest.fixture\ndef anyio_backend():\n"
        f"    return {backend!r}\n" + TESTS.format(mark="@pytest.mark.anyio", extra=""),
    )
    passes(project.pytest(), passed=4)


def test_a_cancelled_call_on_trio_cancels_its_job(project: Any, passes: Passes) -> None:
    project.python.need("trio")
    project.write(
        "test_app.py",
        """
import trio
from pytest_flash import LiveServerless, remote

@remote(LiveServerless(name="gpu"))
def linger():
    import time
    time.sleep(600)

def test_it(flash_endpoints, flash_jobs):
    async def main():
        with trio.move_on_after(0.5) as scope:
            await linger()
        assert scope.cancelled_caught
    trio.run(main)
    (job,) = flash_jobs
    assert job.failed

def test_next(flash_client):
    assert flash_client.get("/double/1").json()["value"] == 2
""",
    )
    passes(project.pytest(), passed=2)


def test_errors_cross_to_trio(project: Any, passes: Passes) -> None:
    project.python.need("trio")
    project.write(
        "test_app.py",
        """
import pytest, trio
from pytest_flash import LiveServerless, remote

@remote(LiveServerless(name="gpu"))
def fails():
    return 1 / 0

def test_it(flash_endpoints):
    with pytest.raises(ZeroDivisionError):
        trio.run(fails)
""",
    )
    passes(project.pytest(), passed=1)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_call_that_is_cancelled_before_it_began(
    project: Any, passes: Passes, backend: str
) -> None:
    if backend == "trio":
        project.python.need("trio")
    project.write(
        "test_app.py",
        f"""
import anyio, gc, pytest
import main
from pytest_flash.errors import ConfigurationError

@pytest.fixture
def anyio_backend():
    return {backend!r}

@pytest.mark.anyio
async def test_it(flash_endpoints):
    with anyio.CancelScope() as scope:
        scope.cancel()
        await main.double(1)
    gc.collect()  # Warns of a coroutine that nobody has awaited, which is an error here.

@pytest.mark.anyio
async def test_map(flash_endpoints, anyio_backend):
    if anyio_backend == "trio":
        with pytest.raises(ConfigurationError, match="map runs on asyncio"):
            [each async for each in main.double.map([1])]
    else:
        assert [each["value"] async for each in main.double.map([1])] == [2]
""",
    )
    passes(project.pytest(), passed=2)
