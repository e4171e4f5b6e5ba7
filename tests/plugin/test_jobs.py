"""``flash_jobs``, stubs, and what a test leaves behind."""

from __future__ import annotations

import pytest

from tests.support.downstream import Project
from tests.support.innerrun import InnerRun

APP = """\
import asyncio
from fastapi import FastAPI
from pytest_flash import CpuLiveServerless, LiveServerless, remote

app = FastAPI()
gpu = LiveServerless(name="gpu", workersMax=1)
cpu = CpuLiveServerless(name="cpu")

@remote(gpu)
def double(x):
    print("doubling", x)
    return x * 2

@remote(gpu, dependencies=["a-package-that-does-not-exist"])
def needs_a_gpu(x):
    raise RuntimeError("there is none")

@remote(gpu)
def linger(path, seconds=600):
    import pathlib, time
    pathlib.Path(path).touch()
    time.sleep(seconds)

@remote(cpu)
def divide(a, b):
    return a / b

@app.get("/double/{x}")
async def doubled(x: int):
    return await double(x)

@app.get("/divide/{a}/{b}")
async def divided(a: int, b: int):
    return await divide(a, b)

@app.get("/gpu/{x}")
async def on_gpu(x: int):
    return await needs_a_gpu(x)

@app.get("/linger")
async def lingering(path: str):
    return await linger(path)
"""

WAITING = """
import contextlib, threading, time
import httpx

def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)

def ask(client, url, **params):
    # Asks from a thread, and waits for no answer: the test ends before there is one.
    def get():
        with httpx.Client(base_url=client.base_url, timeout=60, trust_env=False) as other:
            with contextlib.suppress(httpx.HTTPError):
                other.get(url, params={name: str(value) for name, value in params.items()})
    threading.Thread(target=get, daemon=True).start()
"""

IN_ORDER = """
import asyncio
import pytest
import main
from waiting import wait_until

def test_first(flash_client, flash_jobs):
    assert len(flash_jobs) == 0 and repr(flash_jobs) == "<no jobs>"
    assert flash_client.get("/double/2").json() == 4
    assert asyncio.run(main.double(3)) == 6
    first, second = flash_jobs
    assert (first.function, first.endpoint, first.status) == ("double", "live-gpu", "COMPLETED")
    assert first.location == f"{main.__file__}:9"
    assert first.cold and not second.cold
    assert first.stdout == "doubling 2\\n"
    assert first.worker_id == second.worker_id
    assert first.delay_time >= 0 and second.execution_time >= 0
    assert first.id != second.id
    assert not first.failed and not first.stubbed and first.error is None
    assert flash_jobs[1] == second and len(flash_jobs[:1]) == 1

def test_failures(flash_client, flash_jobs):
    assert flash_client.get("/divide/1/0").status_code == 500
    flash_client.get("/double/2")
    assert [job.function for job in flash_jobs] == ["divide", "double"]
    (job,) = flash_jobs.failed
    assert job == flash_jobs.of(main.divide)[0]
    assert job.status == "FAILED"
    assert "division by zero" in job.error
    assert f'File "{main.__file__}", line 26, in divide' in job.traceback
    assert len(flash_jobs.of(main.double)) == 1
    assert len(flash_jobs.of(main.linger)) == 0

def test_a_caller_that_gives_up(flash_endpoints, flash_jobs, tmp_path):
    async def give_up():
        call = asyncio.ensure_future(main.linger(str(tmp_path / "started")))
        await asyncio.to_thread(wait_until, (tmp_path / "started").exists)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    asyncio.run(give_up())
    (job,) = flash_jobs
    assert job.failed and job.status is None
    assert job.error.startswith("its caller gave up")
"""

STUBBED = """
import asyncio, os
import pytest
import main
from pytest_flash.errors import ConfigurationError, RemoteError

FACTOR = 10

def fake(x):
    import os
    return [x * FACTOR, os.getpid()]

async def another(x):
    return "another"

def test_stubbed(flash_client, flash_endpoints, flash_jobs):
    flash_endpoints.stub(main.needs_a_gpu, fake)
    value, pid = flash_client.get("/gpu/4").json()
    assert value == 40 and pid != os.getpid()
    (job,) = flash_jobs.of(main.needs_a_gpu)
    assert job.stubbed and job.endpoint == "live-gpu" and job.function == "needs_a_gpu"
    assert "stubbed" in repr(flash_jobs)

def test_not_any_more(flash_endpoints, flash_jobs):
    with pytest.raises(RemoteError):
        asyncio.run(main.needs_a_gpu(4))
    assert not flash_jobs[0].stubbed

def test_for_a_block(flash_endpoints):
    with flash_endpoints.stub(main.double, fake):
        with flash_endpoints.stub(main.double, another):
            assert asyncio.run(main.double(1)) == "another"
        assert asyncio.run(main.double(1))[0] == 10
    assert asyncio.run(main.double(1)) == 2

def test_what_cannot_travel(flash_endpoints):
    with pytest.raises(ConfigurationError, match="written with def"):
        flash_endpoints.stub(main.double, lambda x: x)
    with pytest.raises(ConfigurationError, match="only @remote functions"):
        flash_endpoints.stub(fake, fake)

def test_jobs_of_what(flash_jobs):
    with pytest.raises(ConfigurationError, match="only @remote functions"):
        flash_jobs.of(fake)
"""

# An app of other endpoints: what its lifespan polls keeps the only worker of one busy.
LIVING_APP = (
    APP.replace("app = FastAPI()", "app = FastAPI(lifespan=lambda app: life(app))")
    .replace("@remote(gpu)\ndef linger", "@remote(cpu)\ndef linger")
    .replace('name="', 'name="living-')
)
LIVING = """
import contextlib

@contextlib.asynccontextmanager
async def life(app):
    app.state.warm = await double(1)
    async def poll():
        while True:
            app.state.polled = await double(2)
            await asyncio.sleep(0.2)
    task = asyncio.create_task(poll())
    yield
    task.cancel()

@app.get("/polled")
async def polled():
    assert app.state.warm == 2
    before, app.state.polled = app.state.polled, None
    while app.state.polled is None:
        await asyncio.sleep(0.01)
    return app.state.polled
"""

OUTLIVES = """
import asyncio
import pytest
import living
from waiting import ask, wait_until

def fake(x):
    return "fake"

def other(x):
    return "other"

@pytest.fixture(scope="session")
def flash_app():
    return living.app

@pytest.fixture(scope="module")
def stubbed(flash_endpoints):
    flash_endpoints.stub(living.divide, fake_division)
    flash_endpoints.stub(living.needs_a_gpu, fake)
    yield asyncio.run(living.divide(6, 3))
    assert asyncio.run(living.needs_a_gpu(1)) == "fake"

def fake_division(a, b):
    return [a, b]

@pytest.mark.parametrize("number", [1, 2])
def test_stubbed(stubbed, number, flash_client, flash_endpoints, flash_jobs):
    assert stubbed == [6, 3]
    assert len(flash_jobs) == 0
    assert flash_client.get("/gpu/1").json() == "fake"
    flash_endpoints.stub(living.needs_a_gpu, other)
    assert flash_client.get("/gpu/1").json() == "other"
    assert len(flash_jobs) == 2 and all(job.stubbed for job in flash_jobs)

@pytest.mark.parametrize("number", [1, 2])
def test_the_app_goes_on(flash_client, flash_jobs, number, tmp_path):
    assert flash_client.get("/polled").json() == 4
    assert len(flash_jobs) == 0
    ask(flash_client, "/linger", path=tmp_path / "started")
    wait_until((tmp_path / "started").exists)
    assert len(flash_jobs) == 1
"""

NOT_STUBBED = """
import asyncio
import living

def test_not_stubbed(flash_endpoints):
    assert asyncio.run(living.divide(6, 3)) == 2
"""

REPORTED = """
import asyncio
import pytest
import main

@pytest.fixture(scope="session")
def broken(flash_endpoints):
    asyncio.run(main.divide(1, 0))

def test_broken(broken):
    pass
"""

# One worker: were the first test's job not cancelled, the second could not run.
LEAVES = """
import httpx, pytest
from waiting import ask, wait_until

@pytest.mark.parametrize("named", [False, True])
def test_leaves_a_job(flash_client, flash_jobs, tmp_path, named):
    started = tmp_path / "started"
    ask(flash_client, "/linger", path=started)
    wait_until(started.exists)
    with pytest.raises(httpx.ReadTimeout):
        flash_client.get("/linger", params={"path": str(started)}, timeout=0.1)
    wait_until(lambda: len(flash_jobs.unfinished) == 2)
    if named:  # Runpod names a job after a second.
        wait_until(lambda: all(job.id for job in flash_jobs.unfinished))

def test_next(flash_client, flash_jobs):
    assert flash_client.get("/double/2").json() == 4
    assert len(flash_jobs) == 1
    assert flash_jobs[0].delay_time < 60_000
"""

SPAWNS = """
import asyncio
import main
from waiting import wait_until

def test_spawns(flash_endpoints, flash_jobs, tmp_path):
    async def spawn():
        handle = await main.linger.spawn(str(tmp_path / "started"))
        assert await handle.status() in ("IN_QUEUE", "IN_PROGRESS")
        await asyncio.to_thread(wait_until, (tmp_path / "started").exists)
    asyncio.run(spawn())
    assert len(flash_jobs.unfinished) == 1

def test_next(flash_client, flash_jobs):
    assert flash_client.get("/double/2").json() == 4
    assert flash_jobs[0].delay_time < 60_000
"""

BALANCED_APP = """
from fastapi import FastAPI
from pytest_flash import LiveLoadBalancer, remote

app = FastAPI()

@remote(LiveLoadBalancer(name="lb"), method="POST", path="/double")
def double(x: int):
    return x * 2

@app.get("/{x}")
async def doubled(x: int):
    return await double(x)
"""
BALANCED = """
import balanced, pytest

@pytest.fixture(scope="session")
def flash_app():
    return balanced.app

def test_it(flash_client, flash_jobs):
    assert flash_client.get("/2").json() == 4
    assert len(flash_jobs.of(balanced.double)) == 1 and not flash_jobs.failed
"""


@pytest.fixture(scope="module")
def run(shared_project: Project) -> InnerRun:
    """A run of everything."""
    modules = {
        "main": APP,
        "living": LIVING_APP + LIVING,
        "balanced": BALANCED_APP,
        "waiting": WAITING,
    }
    tests = {
        "test_in_order": IN_ORDER,  # First, since it tells a cold start.
        "test_stubbed": STUBBED,
        "test_outlives": OUTLIVES,
        "test_outlived": NOT_STUBBED,
        "test_reported": REPORTED,
        "test_leaves": LEAVES,
        "test_spawns": SPAWNS,
        "test_balanced": BALANCED,
    }
    for name, source in (modules | tests).items():
        shared_project.write(f"{name}.py", source)
    return shared_project.report(*(f"{name}.py" for name in tests))


def test_the_jobs_of_a_test_are_in_order(run: InnerRun) -> None:
    run.check("test_in_order", passed=3)


def test_a_function_is_stubbed_for_one_test(run: InnerRun) -> None:
    run.check("test_stubbed", passed=5)


def test_what_outlives_a_test_belongs_to_none(run: InnerRun) -> None:
    """Jobs and stubs of the lifespan and of wider fixtures: no test's, whichever comes first."""
    run.check("test_outlives", passed=4)
    run.check("test_outlived", passed=1)


def test_what_outlives_a_test_is_reported_where_it_fails(run: InnerRun) -> None:
    run.check("test_reported", errors=1)
    assert "flash: jobs of this test" in run.sections("ERROR at setup of test_broken")


def test_what_a_test_leaves_unfinished_is_cancelled(run: InnerRun) -> None:
    run.check("test_leaves", passed=3)


def test_jobs_that_were_spawned_are_cancelled_too(run: InnerRun) -> None:
    run.check("test_spawns", passed=2)


def test_a_balanced_function_is_a_job_too(run: InnerRun) -> None:
    run.check("test_balanced", passed=1)
