"""pytest-xdist: one emulator and one provisioning for a run, however its tests are distributed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from pytest_flash.settings import MANAGEMENT_URL
from tests.support.accounts.account import Account
from tests.support.accounts.relay import relaying
from tests.support.pytest_runs.downstream import NO_APP, NewProject, Project
from tests.support.pytest_runs.inner_run import InnerRun, text

Passes = Callable[..., None]

FUNCTIONS = """
from pytest_flash import CpuLiveServerless, LiveServerless, remote

@remote(LiveServerless(name="gpu", workersMax=1))
def double(x):
    return x * 2

@remote(CpuLiveServerless(name="cpu", workersMax=1))
def triple(x):
    return x * 3
"""

MANY = """
import asyncio
import pytest
from main import double, triple

@pytest.mark.parametrize("x", range(8))
def test_it(flash_endpoints, x):
    assert asyncio.run(double(x)) == 2 * x
    assert asyncio.run(triple(x)) == 3 * x
"""
CRASHES = """
import os

def test_crash(flash_endpoints):
    os._exit(1)
"""
FAILS = """
def test_fails(flash_endpoints):
    assert False

def test_pids():
    pass
"""

LOGS = """
import dataclasses, os, pathlib, pytest

@pytest.fixture(scope="session")
def flash_config(flash_config):
    return dataclasses.replace(flash_config, emulator_log=pathlib.Path("emulator.log").resolve())

@pytest.fixture(scope="session", autouse=True)
def takes_part():
    if "PYTEST_XDIST_WORKER" in os.environ:
        pathlib.Path(os.environ["PYTEST_XDIST_WORKER"]).touch()
"""

WAITS = """
import pathlib, time
from pytest_flash import LiveServerless, remote

HERE = pathlib.Path(__file__).parent

@remote(LiveServerless(name="waits"))
def until(path):
    import pathlib, time
    while not pathlib.Path(path).exists():
        time.sleep(0.02)
    return "there"
"""
TEST_WAITS = """
import asyncio
from waits import HERE, until

def test_waits(flash_endpoints):
    async def wait():
        handle = await until.spawn(str(HERE / "left"))
        (HERE / "waits").touch()
        return await handle.result()
    assert asyncio.run(wait()) == "there"
"""
TEST_LEAVES = """
import asyncio, time
from waits import HERE, until

def test_leaves(flash_endpoints, flash_jobs):
    deadline = time.monotonic() + 90
    while not (HERE / "waits").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    asyncio.run(until.spawn(str(HERE / "never")))
    assert len(flash_jobs.unfinished) == 1

def test_after(flash_endpoints):
    (HERE / "left").touch()
"""


@dataclass(frozen=True)
class Distributed:
    """A run, what its emulators have written down, and which workers have run tests."""

    run: InnerRun
    log: str
    workers: frozenset[str]

    @property
    def emulators(self) -> int:
        """How many emulators have served."""
        return len(re.findall(r"process \d+, serves at", self.log))


def log(project: Project) -> str:
    """What the emulators of the project's runs have written down."""
    path = project.folder / "emulator.log"
    return path.read_text() if path.exists() else ""


def with_functions(project: Project) -> Project:
    """The project with functions on two endpoints, whose emulators keep a log."""
    project.write("main.py", FUNCTIONS)
    project.write("conftest.py", NO_APP + LOGS)
    return project


def distributed(project: Project, files: dict[str, str], *options: str) -> Distributed:
    """Run the tests of ``files`` to the end of all processes."""
    for name, source in files.items():
        project.write(name, source)
    run = project.report(*options, leaving_nothing=True)
    workers = frozenset(each.name for each in project.folder.glob("gw*"))
    return Distributed(run, log(project), workers)


@pytest.fixture
def project(project: Project) -> Project:
    return with_functions(project)


@pytest.fixture(scope="module")
def each(request: pytest.FixtureRequest, new_project: NewProject) -> Distributed:
    """A run of all tests on each worker."""
    workers = 4 if request.config.getoption("soak") else 2
    options = (f"-n{workers}", "--dist=each")
    return distributed(with_functions(new_project()), {"test_app.py": MANY}, *options)


@pytest.fixture(scope="module")
def worksteal(new_project: NewProject) -> Distributed:
    """A run in which a worker crashes."""
    modules = {"test_app.py": MANY, "test_crash.py": CRASHES}
    return distributed(with_functions(new_project()), modules, "-n2", "--dist=worksteal")


@pytest.fixture(scope="module")
def loadscope(new_project: NewProject) -> Distributed:
    """A run in which a test leaves a job, while one on the other worker waits for its own."""
    modules = {"waits.py": WAITS, "test_waits.py": TEST_WAITS, "test_leaves.py": TEST_LEAVES}
    return distributed(with_functions(new_project()), modules, "-n2", "--dist=loadscope")


def test_workers_share_one_emulator_and_one_provisioning(each: Distributed) -> None:
    assert len(each.workers) >= 2
    assert each.emulators == 1
    created = sorted(re.findall(r"endpoint (\S+) \(\w+\) created", each.log))
    assert created == ["live-cpu", "live-gpu"]
    # Jobs of every worker are counted, endpoints once.
    jobs = len(each.workers) * 2 * 8
    assert re.search(rf"^{jobs} jobs, \d+ cold starts", each.run.text, re.MULTILINE)
    assert each.run.text.count("live-gpu: created") == 1


@pytest.mark.parametrize("distribution", ["loadscope", "worksteal", "each"])
def test_tests_may_be_distributed_in_any_way(
    request: pytest.FixtureRequest, distribution: str
) -> None:
    ended: Distributed = request.getfixturevalue(distribution)
    count = len(ended.workers)
    assert count >= 2
    assert ended.emulators == 1
    tests, jobs = {"loadscope": (3, 2), "worksteal": (8, 16), "each": (8 * count, 16 * count)}[
        distribution
    ]
    assert ended.run.result.parseoutcomes()["passed"] == tests
    assert f"{jobs} jobs" in ended.run.text


def test_what_a_test_leaves_is_cancelled_and_no_other_tests_jobs(loadscope: Distributed) -> None:
    loadscope.run.check("test_waits", "test_leaves", passed=3)
    assert "2 jobs, 1 ended in an error in tests that passed" in loadscope.run.text


def test_workers_share_one_provisioning_live(
    project: Project, passes: Passes, account: Account, variables: dict[str, str]
) -> None:
    project.write("test_app.py", MANY)
    with relaying(variables[MANAGEMENT_URL]) as relay:
        variables = {**variables, MANAGEMENT_URL: relay.url}
        passes(project.pytest("-n2", "--flash-live", env=variables), passed=8)
        assert (relay.count("POST"), relay.count("DELETE")) == (2, 2)
    assert account.endpoints() == []


@pytest.mark.parametrize("option", ["--collect-only", "--setup-plan"])
def test_nothing_starts_when_nothing_runs(project: Project, option: str) -> None:
    project.write("test_app.py", MANY)
    assert project.pytest("-n1", option).ret == 0
    assert log(project) == ""


def test_nothing_starts_when_no_test_asks(project: Project, passes: Passes) -> None:
    project.write("test_app.py", "def test_it():\n    pass\n")
    passes(project.pytest("-n1"), passed=1)
    assert log(project) == ""


@pytest.mark.parametrize("options", [("-n2",), ("-n1", "--reruns=3")], ids=["once", "reruns"])
def test_an_emulator_that_does_not_start_is_not_started_again(
    project: Project, options: tuple[str, ...]
) -> None:
    project.write("pyproject.toml", "[tool.flash.emulator]\nnonsense = 1\n")
    project.write("test_app.py", MANY)
    result = project.pytest(*options)
    assert result.ret == 1
    assert "the emulator did not start" in text(result)
    assert log(project).count("unknown key") == 1


def test_a_crashed_worker_ends_neither_the_emulator_nor_the_run(worksteal: Distributed) -> None:
    assert worksteal.run.result.parseoutcomes() == {"passed": 8, "failed": 1}
    assert worksteal.emulators == 1


def test_the_first_failure_ends_everything(project: Project) -> None:
    ended = distributed(project, {"test_app.py": MANY + FAILS}, "-n2", "-x")
    assert ended.run.result.ret != 0
    assert "failed" in ended.run.result.outlines[-1]
    assert ended.emulators == 1
