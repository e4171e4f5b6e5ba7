"""Asynchronous tests: pytest-asyncio in both modes, and anyio on asyncio and trio."""

from __future__ import annotations

import pytest

from tests.support.downstream import ANYIO, Project
from tests.support.innerrun import InnerRun

TESTS = """
import main

async def test_direct(flash_endpoints):
    assert (await main.double(2))["value"] == 4

async def test_again(flash_endpoints, flash_jobs):
    assert (await main.double(3))["value"] == 6
    assert len(flash_jobs) == 1 and not flash_jobs[0].cold

async def test_client(flash_async_client):
    answer = await flash_async_client.get("/double/4")
    assert answer.json()["value"] == 8

async def test_both_clients(flash_async_client, flash_client):
    async with flash_async_client as client:
        assert (await client.get("/double/5")).json()["value"] == 10
    assert flash_client.get("/double/5").json()["value"] == 10
"""

ON_ANYIO = """
import pytest

pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return {backend!r}
"""
ON_PYTEST_ASYNCIO = """
import pytest

pytestmark = pytest.mark.asyncio(loop_scope={scope!r})
"""

CANCELLED_ON_TRIO = """
import trio
from pytest_flash import LiveServerless, remote

@remote(LiveServerless(name="gpu"))
def linger(path):
    import pathlib, time
    pathlib.Path(path).touch()
    time.sleep(600)

def test_it(flash_endpoints, flash_jobs, tmp_path):
    started = tmp_path / "started"
    async def calls():
        with trio.fail_after(60) as limit, trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(linger, str(started))
                while not started.exists():
                    await trio.sleep(0.01)
                scope.cancel()
        assert scope.cancelled_caught and not limit.cancelled_caught
    trio.run(calls)
    (job,) = flash_jobs
    assert job.failed

def test_next(flash_client):
    assert flash_client.get("/double/1").json()["value"] == 2
"""

ERRORS_ON_TRIO = """
import pytest, trio
from pytest_flash import LiveServerless, remote

@remote(LiveServerless(name="gpu"))
def fails():
    return 1 / 0

def test_it(flash_endpoints):
    with pytest.raises(ZeroDivisionError):
        trio.run(fails)
"""

CANCELLED_BEFORE = """
import anyio, gc
import main
from pytest_flash.errors import ConfigurationError

async def test_it(flash_endpoints):
    with anyio.CancelScope() as scope:
        scope.cancel()
        await main.double(1)
    gc.collect()  # Warns of a coroutine that nobody has awaited, which is an error here.

async def test_map(flash_endpoints, anyio_backend):
    if anyio_backend == "trio":
        with pytest.raises(ConfigurationError, match="map runs on asyncio"):
            [each async for each in main.double.map([1])]
    else:
        assert [each["value"] async for each in main.double.map([1])] == [2]
"""


@pytest.fixture(scope="module")
def strict(shared_project: Project) -> InnerRun:
    """A run with pytest-asyncio in its strict mode, where it is installed, and anyio beside it."""
    modules = shared_project.python.modules
    files = {
        f"test_anyio_{backend}.py": ON_ANYIO.format(backend=backend) + TESTS
        for backend in ("asyncio", "trio")
    }
    files |= {
        f"test_cancelled_{backend}.py": ON_ANYIO.format(backend=backend) + CANCELLED_BEFORE
        for backend in ("asyncio", "trio")
    }
    files |= {"test_trio_cancel.py": CANCELLED_ON_TRIO, "test_trio_errors.py": ERRORS_ON_TRIO}
    if "trio" not in modules:
        files = {name: source for name, source in files.items() if "trio" not in name}
    if "pytest_asyncio" not in modules:
        return reported(shared_project, files)
    files |= {
        f"test_{scope}.py": ON_PYTEST_ASYNCIO.format(scope=scope) + TESTS
        for scope in ("function", "session")
    }
    return reported(shared_project, files, mode="strict")


@pytest.fixture(scope="module")
def auto(shared_project: Project) -> InnerRun:
    """A run with pytest-asyncio in its automatic mode."""
    shared_project.python.need("pytest_asyncio")
    files = {
        "test_function.py": TESTS,
        "test_session.py": ON_PYTEST_ASYNCIO.format(scope="session") + TESTS,
    }
    return reported(shared_project, files, mode="auto")


def reported(project: Project, files: dict[str, str], mode: str | None = None) -> InnerRun:
    """A run of ``files``, with pytest-asyncio if it has a mode."""
    lines = ["[pytest]", "filterwarnings = error"]
    arguments = [*ANYIO]
    if mode is not None:
        lines += [f"asyncio_mode = {mode}", "asyncio_default_fixture_loop_scope = function"]
        arguments += ["-p", "pytest_asyncio.plugin"]
    project.write("pytest.ini", "\n".join([*lines, ""]))
    for name, source in files.items():
        project.write(name, source)
    return project.report(*arguments, *files)


@pytest.mark.parametrize("scope", ["function", "session"])
@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_pytest_asyncio(
    request: pytest.FixtureRequest, shared_project: Project, mode: str, scope: str
) -> None:
    shared_project.python.need("pytest_asyncio")
    run: InnerRun = request.getfixturevalue(mode)
    run.check(f"test_{scope}", passed=4)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_anyio(strict: InnerRun, shared_project: Project, backend: str) -> None:
    if backend == "trio":
        shared_project.python.need("trio")
    strict.check(f"test_anyio_{backend}", passed=4)


def test_a_cancelled_call_on_trio_cancels_its_job(
    strict: InnerRun, shared_project: Project
) -> None:
    shared_project.python.need("trio")
    strict.check("test_trio_cancel", passed=2)


def test_errors_cross_to_trio(strict: InnerRun, shared_project: Project) -> None:
    shared_project.python.need("trio")
    strict.check("test_trio_errors", passed=1)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_call_that_is_cancelled_before_it_began(
    strict: InnerRun, shared_project: Project, backend: str
) -> None:
    if backend == "trio":
        shared_project.python.need("trio")
    strict.check(f"test_cancelled_{backend}", passed=2)
