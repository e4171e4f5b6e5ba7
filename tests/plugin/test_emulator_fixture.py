"""``flash_emulator``, in a pytest run of a downstream project."""

from __future__ import annotations

import pytest

from tests.support.downstream import Project
from tests.support.innerrun import InnerRun

FAULTS = """
import asyncio
import pytest
import main
from pytest_flash.errors import JobFailedError

def test_before(flash_client):
    assert flash_client.get("/double/1").json()["value"] == 2

def test_a_worker_dies(flash_client, flash_emulator):
    flash_emulator.kill_worker(count=None)
    with pytest.raises(JobFailedError, match="SIGKILL"):
        asyncio.run(main.double(1))
    assert flash_client.get("/double/1").status_code == 500

def test_the_queue_refuses(flash_client, flash_emulator):
    flash_emulator.refuse_requests("queue", 503, operation="runsync", count=None)
    assert flash_client.get("/double/1").status_code == 500

def test_after(flash_client):
    assert flash_client.get("/double/1").json()["value"] == 2
"""

STACK = """
import asyncio
import time
from pytest_flash import LiveServerless, remote

@remote(LiveServerless(name="gpu"))
def linger():
    import time
    time.sleep(600)

def test_it(flash_endpoints, flash_emulator):
    async def stack():
        call = asyncio.ensure_future(linger())
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            (endpoint,) = await asyncio.to_thread(flash_emulator.endpoints)
            busy = [worker for worker in endpoint.workers if worker.jobs]
            if busy:
                text = await asyncio.to_thread(flash_emulator.stack, busy[0].id)
                if "in linger" in text:
                    call.cancel()
                    return text
            await asyncio.sleep(0.05)
    assert f'File "{__file__}", line 9 in linger' in asyncio.run(stack())
"""

NEVER_TAKEN = """
import asyncio
import pytest
import main
from pytest_flash.errors import JobFailedError

def test_it(flash_endpoints, flash_emulator):
    flash_emulator.fail_starts("no such image")
    with pytest.raises(JobFailedError, match="before a worker took it: .*no such image") as caught:
        asyncio.run(main.double(1))
    assert type(caught.value) is JobFailedError
"""


@pytest.fixture(scope="module")
def run(shared_project: Project) -> InnerRun:
    """A run of all but what takes two workers."""
    tests = {"test_faults": FAULTS, "test_stack": STACK, "test_never_taken": NEVER_TAKEN}
    for name, source in tests.items():
        shared_project.write(f"{name}.py", source)
    return shared_project.report()


def test_faults_reach_calls_in_handlers_and_end_with_their_test(run: InnerRun) -> None:
    run.check("test_faults", passed=4)


def test_it_shows_where_a_worker_is(run: InnerRun) -> None:
    run.check("test_stack", passed=1)


def test_a_job_that_no_worker_took_is_not_said_to_have_run(run: InnerRun) -> None:
    run.check("test_never_taken", passed=1)


WAITING = """
import pathlib
import time

HERE = pathlib.Path(__file__).parent

def tell(name):
    (HERE / name).touch()

def wait_for(name):
    deadline = time.monotonic() + 60
    while not (HERE / name).exists():
        assert time.monotonic() < deadline, f"{name} never came"
        time.sleep(0.01)
"""

BREAKS = """
from conftest import tell, wait_for

def test_breaks(flash_client, flash_emulator):
    flash_emulator.kill_worker(count=None)
    wait_for("ready")
    tell("broken")
    assert [flash_client.get("/double/1").status_code for _ in range(3)] == [500] * 3
    flash_emulator.clear()
    flash_emulator.refuse_requests("queue", 503, count=None)
    assert flash_client.get("/double/1").status_code == 500
    wait_for("done")
"""

WORKS = """
from conftest import tell, wait_for

def test_works(flash_client):
    pid = flash_client.get("/double/1").json()["pid"]
    tell("ready")
    wait_for("broken")
    for number in range(20):
        assert flash_client.get(f"/double/{number}").json() == {"value": 2 * number, "pid": pid}
    tell("done")
"""


def test_tests_side_by_side_do_not_meet_in_their_faults(project: Project) -> None:
    project.write("conftest.py", WAITING)
    project.write("test_breaks.py", BREAKS)
    project.write("test_works.py", WORKS)
    run = project.report("-n2", "--dist=loadfile", "--import-mode=prepend")
    run.check("test_breaks", "test_works", passed=2)
