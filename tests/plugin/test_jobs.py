"""``flash_jobs``, stubs, and what a test leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Passes = Callable[..., None]

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


def test_the_jobs_of_a_test_are_told_in_order(project: Any, passes: Passes) -> None:
    project.write("main.py", APP)
    project.write(
        "test_app.py",
        """
import asyncio
import pytest
import main

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

def test_a_caller_that_gives_up(flash_endpoints, flash_jobs):
    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(asyncio.wait_for(main.linger("/dev/null"), 0.5))
    (job,) = flash_jobs
    assert job.failed and job.status is None
    assert job.error.startswith("its caller gave up")
""",
    )
    passes(project.pytest(), passed=3)


def test_a_function_is_stubbed_for_one_test(project: Any, passes: Passes) -> None:
    project.write("main.py", APP)
    project.write(
        "test_app.py",
        """
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
""",
    )
    passes(project.pytest(), passed=5)


def test_what_outlives_a_test_belongs_to_none(project: Any, passes: Passes) -> None:
    """Jobs and stubs of the lifespan and of wider fixtures: no test's, whichever comes first."""
    project.write(
        "main.py",
        APP.replace("app = FastAPI()", "app = FastAPI(lifespan=lambda app: life(app))").replace(
            "@remote(gpu)\ndef linger", "@remote(cpu)\ndef linger"
        )
        + """
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
""",
    )
    project.write(
        "test_app.py",
        """
import asyncio
import pytest
import main

def fake(x):
    return "fake"

def other(x):
    return "other"

@pytest.fixture(scope="module")
def stubbed(flash_endpoints):
    flash_endpoints.stub(main.divide, fake_division)
    flash_endpoints.stub(main.needs_a_gpu, fake)
    yield asyncio.run(main.divide(6, 3))
    assert asyncio.run(main.needs_a_gpu(1)) == "fake"

def fake_division(a, b):
    return [a, b]

@pytest.mark.parametrize("number", [1, 2])
def test_stubbed(stubbed, number, flash_client, flash_endpoints, flash_jobs):
    assert stubbed == [6, 3]
    assert len(flash_jobs) == 0
    assert flash_client.get("/gpu/1").json() == "fake"
    flash_endpoints.stub(main.needs_a_gpu, other)
    assert flash_client.get("/gpu/1").json() == "other"
    assert len(flash_jobs) == 2 and all(job.stubbed for job in flash_jobs)

@pytest.mark.parametrize("number", [1, 2])
def test_the_app_goes_on(flash_client, flash_jobs, number):
    assert flash_client.get("/polled").json() == 4
    assert len(flash_jobs) == 0
    with pytest.raises(Exception):
        flash_client.get("/linger", params={"path": "/dev/null"}, timeout=0.2)
    assert len(flash_jobs) == 1
""",
    )
    project.write(
        "test_other.py",
        "import asyncio\nimport main\n"
        "def test_not_stubbed(flash_endpoints):\n    assert asyncio.run(main.divide(6, 3)) == 2\n",
    )
    passes(project.pytest(), passed=5)


def test_what_outlives_a_test_is_told_where_it_fails(project: Any, passes: Passes) -> None:
    project.write("main.py", APP)
    project.write(
        "test_app.py",
        """
import asyncio
import pytest
import main

@pytest.fixture(scope="session")
def broken(flash_endpoints):
    asyncio.run(main.divide(1, 0))

def test_it(broken):
    pass
""",
    )
    result = project.pytest()
    passes(result, errors=1)
    assert "flash: jobs of this test" in "\n".join(result.outlines)


def test_nothing_is_stubbed_on_runpod(
    project: Any, passes: Passes, variables: dict[str, str]
) -> None:
    project.write("main.py", APP)
    project.write(
        "test_app.py",
        """
import pytest
import main
from pytest_flash.errors import SettingsError

def fake(x):
    return x

def test_it(flash_endpoints):
    with pytest.raises(SettingsError, match="flash_emulator"):
        flash_endpoints.stub(main.double, fake)
""",
    )
    passes(project.pytest("--flash-live", **variables), passed=1)


def test_what_a_test_leaves_unfinished_is_cancelled(project: Any, passes: Passes) -> None:
    # One worker: were the first test's job not cancelled, the second could not run.
    project.write("main.py", APP)
    project.write(
        "test_app.py",
        """
import pathlib, threading, time
import httpx, pytest

@pytest.mark.parametrize("waits", [0.1, 1.5])
def test_leaves_a_job(flash_client, flash_jobs, tmp_path, waits):
    started = tmp_path / "started"
    def ask():
        with httpx.Client(base_url=flash_client.base_url, timeout=60, trust_env=False) as client:
            client.get("/linger", params={"path": str(started)})
    threading.Thread(target=ask, daemon=True).start()
    deadline = time.monotonic() + 30
    while not started.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with pytest.raises(httpx.ReadTimeout):
        flash_client.get("/linger", params={"path": str(started)}, timeout=waits)
    assert len(flash_jobs.unfinished) == 2

def test_next(flash_client, flash_jobs):
    assert flash_client.get("/double/2").json() == 4
    assert len(flash_jobs) == 1
    assert flash_jobs[0].delay_time < 60_000
""",
    )
    passes(project.pytest(), passed=3)


def test_jobs_that_were_spawned_are_cancelled_too(project: Any, passes: Passes) -> None:
    project.write("main.py", APP)
    project.write(
        "test_app.py",
        """
import asyncio, time
import main

def test_spawns(flash_endpoints, flash_jobs, tmp_path):
    async def spawn():
        handle = await main.linger.spawn(str(tmp_path / "started"))
        assert await handle.status() in ("IN_QUEUE", "IN_PROGRESS")
        deadline = time.monotonic() + 30
        while not (tmp_path / "started").exists():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
    asyncio.run(spawn())
    assert len(flash_jobs.unfinished) == 1

def test_next(flash_client, flash_jobs):
    assert flash_client.get("/double/2").json() == 4
    assert flash_jobs[0].delay_time < 60_000
""",
    )
    passes(project.pytest(), passed=2)


def test_a_balanced_function_is_a_job_too(project: Any, passes: Passes) -> None:
    project.write(
        "main.py",
        "from fastapi import FastAPI\nfrom pytest_flash import LiveLoadBalancer, remote\n"
        "app = FastAPI()\n\n"
        "@remote(LiveLoadBalancer(name='lb'), method='POST', path='/double')\n"
        "def double(x: int):\n    return x * 2\n\n"
        "@app.get('/{x}')\nasync def doubled(x: int):\n    return await double(x)\n",
    )
    project.write(
        "test_app.py",
        "import main\n\n"
        "def test_it(flash_client, flash_jobs):\n"
        "    assert flash_client.get('/2').json() == 4\n"
        "    assert len(flash_jobs.of(main.double)) == 1 and not flash_jobs.failed\n",
    )
    passes(project.pytest(), passed=1)
