"""What the report of a failed test says, and the summary of a run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.downstream import NewProject, Project
from tests.support.innerrun import InnerRun, text

APP = """\
import asyncio
import pathlib
from fastapi import BackgroundTasks, FastAPI
from pytest_flash import CpuLiveServerless, LiveServerless, remote

app = FastAPI()
quick = LiveServerless(name="gpu", executionTimeoutMs=5_000)
sleepers, lingered = [], []

@remote(quick)
def double(x):
    return x * 2

@remote(CpuLiveServerless(name="cpu"))
def divide(a, b):
    print("about to divide")
    return a / b

@remote(quick)
def loud():
    print("first")
    print("x" * 100_000)
    print("last")
    raise ValueError("y" * 100_000)

@remote(quick)
def says(text, heard):
    import pathlib, time
    print(text)
    deadline = time.monotonic() + 60
    while not pathlib.Path(heard).exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    print("then", text)

@remote(quick)
def times_out():
    import time
    print("until it is ended", flush=True)
    time.sleep(600)

@remote(LiveServerless(name="brief", executionTimeoutMs=1_000))
def brief():
    pass

@remote(LiveServerless(name="lingers"))
def linger():
    import time
    print("lingering", flush=True)
    time.sleep(600)  # Lingers.

@app.get("/double/{x}")
async def doubled(x: int):
    return await double(x)

@app.get("/divide/{a}/{b}")
async def divided(a: int, b: int):
    return await divide(a, b)

@app.get("/much")
async def much():
    await loud()

@app.post("/later")
def later(tasks: BackgroundTasks):
    tasks.add_task(divide, 1, 0)

@app.get("/broken")
def broken():
    return {}["nothing"]

@app.get("/linger")
async def lingering():
    try:
        return await linger()
    finally:
        lingered.append(True)

@app.get("/asleep")
async def asleep():
    awake = asyncio.Event()
    sleepers.append((asyncio.get_running_loop(), awake))
    await awake.wait()

@app.get("/block")
async def block():
    import time
    pathlib.Path("blocked").touch()
    time.sleep(600)  # Blocks.
"""

# The same routes, with middleware around them.
FRAMED_APP = """
import asyncio
import main
from fastapi import FastAPI

app = FastAPI()
app.include_router(main.app.router)

@app.middleware("http")
async def around(request, call_next):
    return await call_next(request)

@app.get("/both")
async def both():
    if not hasattr(asyncio, "TaskGroup"):
        return await main.divide(1, 0)
    async with asyncio.TaskGroup() as group:
        group.create_task(main.divide(1, 0))
"""

WAITING = """
import contextlib, threading, time
import httpx
import main

def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)

def ask(client, url):
    # Asks from a thread, and waits for no answer: the test ends before there is one.
    def get():
        with httpx.Client(base_url=client.base_url, timeout=60, trust_env=False) as other:
            with contextlib.suppress(httpx.HTTPError):
                other.get(url)
    threading.Thread(target=get, daemon=True).start()

def fall_asleep(client):
    ask(client, "/asleep")
    wait_until(lambda: main.sleepers)
"""

# Else the server would give them a while at its end.
CONFTEST = """
import main, pytest

@pytest.fixture(scope="module", autouse=True)
def wake():
    yield
    while main.sleepers:
        loop, awake = main.sleepers.pop()
        loop.call_soon_threadsafe(awake.set)
"""

DIVIDES = """
def test_divides(flash_client):
    assert flash_client.get("/divide/1/0").status_code == 200
"""

BROKEN = """
def test_broken(flash_client):
    assert flash_client.get("/broken").status_code == 200
"""

SILENT = """
def test_passes(flash_client):
    assert flash_client.get("/divide/1/0").status_code == 500

def test_fails(flash_client):
    assert False
"""

GIVES_UP = """
import httpx, main, pytest
from waiting import wait_until

def test_gives_up(flash_client, flash_jobs):
    with pytest.raises(httpx.ReadTimeout):
        flash_client.get("/linger", timeout=0.1)
    wait_until(lambda: len(flash_jobs) == 1)
    with pytest.raises(httpx.ReadTimeout):
        flash_client.get("/asleep", timeout=0.1)
    wait_until(lambda: main.sleepers)

def test_next(flash_client):
    wait_until(lambda: main.lingered)
    flash_client.get("/double/1")
    assert False
"""

LOUD = """
def test_loud(flash_client):
    assert flash_client.get("/much").status_code == 200
"""

FRAMED = """
import framed, pytest
from waiting import fall_asleep

@pytest.fixture(scope="session")
def flash_app():
    return framed.app

def test_framed(flash_client):
    assert flash_client.get("/broken").status_code == 200

def test_both(flash_client):
    assert flash_client.get("/both").status_code == 200

def test_hangs(flash_client):
    fall_asleep(flash_client)
    flash_client.get("/asleep", timeout=0.5)
"""

LATER = """
from waiting import wait_until

def test_later(flash_client, flash_session):
    answer = flash_client.post("/later")
    wait_until(lambda: flash_session.recorder.errors)
    assert answer.status_code == 201
"""

HANGS = """
from waiting import ask, fall_asleep, wait_until

def test_lingers(flash_client, flash_jobs):
    ask(flash_client, "/linger")
    wait_until(lambda: flash_jobs and "lingering" in flash_jobs[0].stdout)
    fall_asleep(flash_client)
    flash_client.get("/asleep", timeout=0.5)

def test_asleep(flash_client):
    fall_asleep(flash_client)
    flash_client.get("/asleep", timeout=0.5)
"""

SETUP = """
import pytest

@pytest.fixture
def broken(flash_client):
    flash_client.get("/broken").raise_for_status()

def test_setup(broken):
    pass
"""


OUTPUT = """
import asyncio, main
from waiting import wait_until

def say(text, jobs, path):
    async def call():
        said = asyncio.ensure_future(main.says(text, str(path)))
        await asyncio.to_thread(wait_until, lambda: jobs and text in jobs[0].stdout)
        path.touch()
        await said
    asyncio.run(call())

def test_first(flash_endpoints, flash_jobs, tmp_path):
    say("a", flash_jobs, tmp_path / "heard")

def test_second(flash_endpoints, flash_jobs, tmp_path):
    say("b", flash_jobs, tmp_path / "heard")
    assert 0
"""
SUMMED_UP = """
def test_summed_up(flash_client):
    for x in range(3):
        flash_client.get(f"/double/{x}")
    flash_client.get("/divide/1/0")
"""

TIMES_OUT = """
import asyncio, main

def test_times_out(flash_endpoints):
    asyncio.run(main.times_out())
"""
CUT = """
import asyncio, dataclasses
import main, pytest

@pytest.fixture(scope="session")
def flash_config(flash_config):
    return dataclasses.replace(flash_config, startup_timeout=1.0)

def test_cut(flash_endpoints, flash_emulator):
    flash_emulator.no_capacity()
    asyncio.run(main.brief())
"""
BLOCKS = """
import pathlib
import httpx, pytest
from waiting import wait_until

def test_blocks(flash_client):
    with pytest.raises(httpx.ReadTimeout):
        flash_client.get("/block", timeout=0.1)
    wait_until(pathlib.Path("blocked").exists)

def test_blocked(flash_client):
    flash_client.get("/double/1", timeout=0.5)
"""


def write_app(project: Project) -> Project:
    """Write the app and what the tests share."""
    for name, source in {"main": APP, "waiting": WAITING, "conftest": CONFTEST}.items():
        project.write(f"{name}.py", source)
    return project


@pytest.fixture(scope="module")
def app(shared_project: Project) -> Path:
    """The file of an app that can fail in several ways."""
    return write_app(shared_project).folder / "main.py"


def line(code: str) -> int:
    """The line of the app with ``code``."""
    return next(n for n, each in enumerate(APP.splitlines(), 1) if code in each)


@pytest.fixture(scope="module")
def alone(shared_project: Project, app: Path) -> InnerRun:
    """A run of tests that fail in several ways."""
    shared_project.write("framed.py", FRAMED_APP)
    sources = {
        "test_divides": DIVIDES,  # First, since it tells a cold start.
        "test_lingers": HANGS,
        "test_broken": BROKEN,
        "test_silent": SILENT,
        "test_gives_up": GIVES_UP,
        "test_loud": LOUD,
        "test_later": LATER,
        "test_setup": SETUP,
        "test_framed": FRAMED,
    }
    for name, source in sources.items():
        shared_project.write(f"{name}.py", source)
    return shared_project.report(*(f"{name}.py" for name in sources))


@pytest.fixture(scope="module")
def xdist(shared_project: Project, app: Path) -> InnerRun:
    """A run in a worker of pytest-xdist."""
    shared_project.write("test_divides.py", DIVIDES)
    return shared_project.report("-n1", "test_divides.py")


@pytest.fixture(scope="module")
def shown(shared_project: Project, app: Path) -> InnerRun:
    """A run that shows what functions print as it comes."""
    shared_project.write("test_output.py", OUTPUT)
    shared_project.write("test_summed_up.py", SUMMED_UP)
    return shared_project.report("-s", "-v", "test_output.py", "test_summed_up.py")


@pytest.fixture(scope="module", autouse=True)
def waiting(new_project: NewProject) -> Iterator[Future[InnerRun]]:
    """A run that mostly waits, beside the others."""
    project = write_app(new_project())
    sources = {"test_times_out": TIMES_OUT, "test_cut": CUT, "test_blocks": BLOCKS}
    for name, source in sources.items():
        project.write(f"{name}.py", source)
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(project.report, *(f"{name}.py" for name in sources))


@pytest.mark.parametrize("name", ["alone", "xdist"])
def test_a_500_shows_the_apps_traceback_and_the_workers(
    request: pytest.FixtureRequest, app: Path, name: str
) -> None:
    run: InnerRun = request.getfixturevalue(name)
    run.check("test_divides", failed=1)
    found = run.sections("test_divides")
    names = list(found)

    assert names[0] == "flash: the app raised (GET /divide/1/0)"
    assert f'File "{app}", line {line("await divide(a, b)")}, in divided' in found[names[0]]
    assert "site-packages" not in found[names[0]]
    assert "pytest_flash/" not in found[names[0]]
    assert names[1] == "flash: jobs of this test"
    assert re.search(r"divide +live-cpu +FAILED +\d+ ms +\d+ ms +\w+ +cold", found[names[1]])
    assert re.fullmatch(r"flash: divide \(job \S+\) failed", names[2])
    assert f'File "{app}", line {line("return a / b")}, in divide' in found[names[2]]
    assert "return a / b" in found[names[2]]
    assert "ZeroDivisionError" in found[names[2]]
    assert re.fullmatch(r"flash: output of divide \(job \S+\)", names[3])
    assert found[names[3]] == "about to divide"


def test_an_exception_of_the_app_alone(alone: InnerRun) -> None:
    found = alone.sections("test_broken")
    assert list(found) == ["flash: the app raised (GET /broken)"]
    assert "KeyError: 'nothing'" in found["flash: the app raised (GET /broken)"]


def test_tests_that_pass_or_fail_by_themselves_show_nothing(alone: InnerRun) -> None:
    alone.check("test_silent", passed=1, failed=1)
    assert alone.sections("test_fails") == {}


def test_what_a_handler_raises_later_is_in_no_other_report(alone: InnerRun) -> None:
    alone.check("test_gives_up", passed=1, failed=1)
    assert list(alone.sections("test_next")) == ["flash: jobs of this test"]
    assert not re.search("Captured log (setup|call)", alone.failure("test_next"))


def test_what_is_too_much_is_left_out(alone: InnerRun) -> None:
    found = alone.sections("test_loud")
    assert len(found) == 4
    assert all(len(shown) < 21_000 for shown in found.values())
    raised = found["flash: the app raised (GET /much)"]
    assert "await loud()" in raised
    assert re.search(r"\n\.\.\. \d+,\d+ characters \.\.\.\n", raised)
    (output,) = (shown for title, shown in found.items() if "output of" in title)
    assert output.startswith("... ")
    assert output.endswith("last")


def test_frames_of_the_framework_are_left_out(alone: InnerRun, app: Path) -> None:
    alone.check("test_framed", failed=3)
    raised = alone.sections("test_framed")["flash: the app raised (GET /broken)"]
    assert "in around" in raised
    assert "in broken" in raised
    assert "site-packages" not in raised
    both = alone.sections("test_both")["flash: the app raised (GET /both)"]
    assert "return a / b" in both
    assert "pytest_flash" not in both
    where = f"{app}:{line('await awake.wait')} in asleep"
    assert f"a task of the app: {where}" in alone.failure("test_hangs")


def test_a_background_task_that_fails_is_reported(alone: InnerRun) -> None:
    raised = alone.sections("test_later")["flash: the app raised (POST /later)"]
    assert "ZeroDivisionError" in raised


def test_a_client_that_times_out_is_shown_where_it_hangs(alone: InnerRun, app: Path) -> None:
    alone.check("test_lingers", failed=2)
    assert "httpx.ReadTimeout" in alone.failure("test_lingers")
    hang = alone.sections("test_lingers")["flash: still under way"]
    asleep = alone.sections("test_asleep")["flash: still under way"]

    assert re.search(r"linger on live-lingers: job \S+ is IN_PROGRESS, [\d.]+ s old", hang)
    assert "endpoint live-lingers: jobs: 1 inProgress; workers: 1 running" in hang
    assert re.search(r"worker \w+: RUNNING, process \d+", hang)
    # The job's, as far as it was read, and its worker's.
    assert hang.count("  its last line: lingering\n") == 2
    assert f'File "{app}", line {line("time.sleep(600)  # Lingers.")} in linger' in hang
    assert "bootstrap" not in hang
    assert re.search(r"GET /linger: for [\d.]+ s", hang)
    assert f"{app}:{line('await linger()')} in lingering: return await linger()" in hang
    # The handler of the first test has ended, with its job.
    assert "linger" not in asleep
    assert f"{app}:{line('await awake.wait')} in asleep" in asleep


def test_an_error_at_setup_explains_itself_too(alone: InnerRun) -> None:
    alone.check("test_setup", errors=1)
    assert "flash: the app raised (GET /broken)" in alone.sections("ERROR at setup of test_setup")


def test_output_is_shown_as_it_comes_where_nothing_is_captured(shown: InnerRun) -> None:
    shown.check("test_output", passed=1, failed=1)
    first, second = shown.text.split("test_output.py::test_second", 1)
    assert re.findall(r"says #1 \| (.*)", first) == ["a", "then a"]
    assert "says #1" not in second
    assert re.findall(r"says #2 \| (.*)", second) == ["b", "then b"]
    assert "flash: output of" not in shown.text


def test_the_summary_says_what_was_provisioned_and_run(shown: InnerRun) -> None:
    found = re.search(r"={2,} flash ={2,}\n((?:live-\w+: created in [\d.]+ s\n)+)(.+)", shown.text)
    assert found
    names = re.findall(r"live-(\w+):", found[1])
    assert names == ["brief", "cpu", "gpu", "lingers"]
    # Two of says, three of double and one of divide.
    assert re.match(r"6 jobs, 1 failed, 2 cold starts; slowest: \w+, [\d.]+ s", found[2])
    assert "compute" not in shown.text


def test_there_is_no_summary_where_nothing_was_provisioned(
    project: Project, in_process: Callable[..., pytest.RunResult]
) -> None:
    project.write("test_app.py", "def test_it(flash_config):\n    pass\n")
    assert " flash " not in text(in_process())


def test_output_of_a_job_that_was_ended_is_reported(waiting: Future[InnerRun]) -> None:
    run = waiting.result()
    run.check("test_times_out", failed=1)
    found = run.sections("test_times_out")
    (output,) = (shown for title, shown in found.items() if "output of times_out" in title)
    assert output == "until it is ended"


def test_a_call_without_an_end_is_cut_and_explained(waiting: Future[InnerRun]) -> None:
    run = waiting.result()
    run.check("test_cut", failed=1)
    shown = run.failure("test_cut")
    assert "no result within 2 s, which is the function's limit of 1 s and 1 s to start" in shown
    assert re.search(r"brief on live-brief: job \S+ is IN_QUEUE", shown)
    assert "1 throttled" in shown


def test_an_event_loop_that_is_blocked_is_reported(waiting: Future[InnerRun]) -> None:
    run = waiting.result()
    run.check("test_blocks", passed=1, failed=1, errors=1)
    folder = next(iter(re.findall(r"^rootdir: (.+)$", run.text, re.MULTILINE)))
    number = line("time.sleep(600)  # Blocks.")
    where = (
        f"the app's event loop is blocked: {folder}/main.py:{number} in block: "
        "time.sleep(600)  # Blocks."
    )
    assert where in run.sections("test_blocked")["flash: still under way"]
    assert "the app's server did not stop within 10 s" in run.text
    assert run.text.count(where) >= 2
