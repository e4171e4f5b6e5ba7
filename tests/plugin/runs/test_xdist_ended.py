"""Runs of pytest-xdist that are ended by a signal leave no process and no endpoint."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping

import pytest

from tests.support.accounts.account import Account
from tests.support.pytest_runs.downstream import NO_APP, Project
from tests.support.pytest_runs.forks import Run
from tests.support.system.processes import Process, descendants, wait_gone, wait_until

FUNCTIONS = """
from pytest_flash import CpuLiveServerless, LiveServerless, remote

@remote(LiveServerless(name="gpu", workersMax=1))
def double(x):
    return x * 2

@remote(CpuLiveServerless(name="cpu"))
def triple(x):
    return x * 3
"""
STAYS = """
import asyncio, os, pathlib, time
import pytest
from main import double

@pytest.mark.parametrize("n", range(int(os.environ["PYTEST_XDIST_WORKER_COUNT"])))
def test_it(flash_endpoints, n):
    assert asyncio.run(double(1)) == 2
    note = pathlib.Path(f"pid{n}")
    note.write_text(str(os.getpid()))
    note.rename(f"ready{n}")
    try:
        time.sleep(600)
    except KeyboardInterrupt:
        pathlib.Path(f"interrupted{n}").touch()
        raise
"""
# execnet interrupts the test of a worker 5 s after it lost its controller.
EXECNET_WAITS = """
from execnet.gateway_base import WorkerPool

waitall = WorkerPool.waitall

def scaled(pool, timeout=None):
    return waitall(pool, timeout and {factor} * timeout)

WorkerPool.waitall = scaled
"""


@contextlib.contextmanager
def under_way(
    project: Project,
    count: int,
    *options: str,
    env: Mapping[str, str] | None = None,
    conftest: str = "",
) -> Iterator[tuple[Run, set[Process], set[Process]]]:
    """A run, its ``count`` workers in the midst of a test each, and what else it has started."""
    project.write("main.py", FUNCTIONS)
    project.write("conftest.py", NO_APP + conftest)
    project.write("test_app.py", STAYS)
    ready = [f"ready{n}" for n in range(count)]
    with project.under_way(f"-n{count}", *options, until=ready, env=env) as run:
        tree = descendants(run.pid)
        pids = {int((project.folder / each).read_text()) for each in ready}
        workers = {each for each in tree if each.pid in pids}
        assert len(workers) == count
        yield run, workers, tree - workers


@pytest.mark.parametrize(
    ("number", "leaves", "count"),
    [(signal.SIGINT, 2, 1), (signal.SIGTERM, -15, 2), (signal.SIGKILL, -9, 1)],
    ids=["2-2", "15--15", "9--9"],
)
def test_a_run_that_is_ended_leaves_no_process(
    project: Project, number: signal.Signals, leaves: int, count: int
) -> None:
    # An interrupted controller leaves it to execnet. Otherwise the workers notice, and sooner.
    factor = 0.1 if number is signal.SIGINT else 100
    waits = EXECNET_WAITS.format(factor=factor)
    with under_way(project, count, conftest=waits) as (run, workers, others):
        run.send_signal(number)
        if number is not signal.SIGINT:
            wait_gone(others, 60)
            for n in range(count):
                wait_until((project.folder / f"interrupted{n}").exists, 60, "the test's end")
        assert run.wait(60) == leaves
        wait_gone(workers | others, 60)


def test_a_closed_terminal_leaves_no_process(project: Project) -> None:
    with under_way(project, 1) as (run, workers, others):
        os.killpg(run.pid, signal.SIGHUP)
        wait_gone(workers | others, 60)
        assert run.wait(60) == -signal.SIGHUP


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_a_killed_run_created_live_is_deleted(
    project: Project, account: Account, variables: dict[str, str], number: signal.Signals
) -> None:
    with under_way(project, 1, "--flash-live", env=variables) as (run, workers, others):
        assert len(account.endpoints()) == 2
        run.send_signal(number)
        wait_until(lambda: account.endpoints() == [], 60, "the end of the endpoints")
        wait_gone(workers | others, 60)


def test_interrupting_the_whole_group_deletes_what_was_created_live(
    project: Project, account: Account, variables: dict[str, str]
) -> None:
    with under_way(project, 1, "--flash-live", env=variables) as (run, workers, others):
        os.killpg(run.pid, signal.SIGINT)  # As a terminal does.
        assert run.wait(60) == 2
        wait_gone(workers | others, 60)
    assert account.endpoints() == []
