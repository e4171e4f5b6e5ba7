"""Remote functions in this process: as on a worker, but for what the guide lists."""

from __future__ import annotations

import asyncio
import io
import os
import pdb
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from pytest_flash.errors import JobCancelledError, RemoteError
from pytest_flash.functions.calling.calls import RemoteCalls
from pytest_flash.functions.calling.in_process import InProcess
from pytest_flash.functions.registry import registry
from pytest_flash.functions.shipping.payload import Shipping
from tests.functions.errors.failing import CASES as FAILING
from tests.functions.shipping.test_travelling import CASES as TRAVELLING
from tests.functions.travelling import HEAD

Import = Callable[[dict[str, str]], Any]


@pytest.fixture
def here() -> Iterator[RemoteCalls]:
    """Calls that run in this process."""
    with closing(InProcess()) as in_process:
        calls = RemoteCalls.in_process(in_process, Shipping())
        with registry.bound(calls):
            yield calls


# What a worker does not see of the project, and what it lacks, is here all the same.
LISTED = {
    "recursion of the function itself",
    "annotations of built-in types",
    "importlib.resources finds source, and says what does not travel",
    "a file of the project is found by no import of what did not travel",
    "an undeclared package of a module, touched",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """All of both tables with --soak, else one in eight."""
    for table, each in (("travelling", TRAVELLING), ("failing", FAILING)):
        if table in metafunc.fixturenames:
            names = [name for name in each if name not in LISTED]
            step = 1 if metafunc.config.getoption("soak") else 8
            metafunc.parametrize(table, names[::step])


def test_it_gives_what_a_worker_gives(project: Import, here: RemoteCalls, travelling: str) -> None:
    case = TRAVELLING[travelling]
    main = project({"main.py": case.head + case.main, **case.files})
    assert asyncio.run(here.call(main.f.spec, case.args, {})) == case.result


def test_it_fails_as_on_a_worker(project: Import, here: RemoteCalls, failing: str) -> None:
    case = FAILING[failing]
    main = project({"main.py": HEAD + case.main, **case.files})
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the table says which
        asyncio.run(here.call(main.f.spec, case.args, {}))
    assert case.raises in {kind.__name__ for kind in type(caught.value).__mro__}
    if failing != "a str that raises":
        assert case.message in str(caught.value)


FUNCTIONS = """
import asyncio, os, threading
from pytest_flash import CpuLiveLoadBalancer

balanced = CpuLiveLoadBalancer(name="balanced")
LOG = []

@remote(gpu)
def append(items):
    items.append(os.getpid())
    return items

@remote(gpu)
async def sleep(seconds):
    await asyncio.sleep(seconds)

@remote(gpu)
def divide(by):
    LOG.append(by)
    return 1 / by

@remote(balanced, method="POST", path="/double")
async def double(x):
    return 2 * x

@remote(balanced, method="POST", path="/fail")
def fail(x):
    raise KeyError(x)

@remote(gpu)
class Counter:
    def __init__(self, start):
        self.count = start

    def add(self, by):
        self.count += by
        return self.count

@remote(gpu)
def stop(x):
    breakpoint()
    return x
"""


@pytest.fixture
def main(project: Import, here: RemoteCalls) -> Any:
    """Functions of every kind, which run here."""
    return project({"main.py": HEAD + FUNCTIONS})


def test_arguments_and_results_are_copies(main: Any) -> None:
    given: list[int] = []
    result = asyncio.run(main.append(given))
    assert given == []
    assert result == [os.getpid()]


def test_spawn_map_classes_and_load_balancers(main: Any) -> None:
    async def run() -> None:
        assert await (await main.append.spawn([1])).result() == [1, os.getpid()]
        assert [each async for each in main.double.map([1, 2])] == [2, 4]
        counter = main.Counter(5)
        assert await counter.add(1) == 6
        assert await counter.add(1) == 7
        assert await main.Counter(5).add(1) == 8  # The same arguments are the same instance.
        with pytest.raises(KeyError):
            await main.fail(1)
        job = await main.sleep.spawn(60)
        assert await job.status() == "IN_PROGRESS"
        await job.cancel()
        with pytest.raises(JobCancelledError):
            await job.result()

    asyncio.run(run())


def test_an_error_has_the_frames_that_ran(main: Any) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        asyncio.run(main.divide(0))
    assert isinstance(caught.value, RemoteError)
    *_, (frame, _) = traceback.walk_tb(caught.value.__traceback__)
    assert frame.f_locals == {"by": 0}
    assert main.LOG == [0]


def test_a_debugger_that_is_quit_ends_the_function(
    main: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    debugger = pdb.Pdb(stdin=io.StringIO("p 'x is', x\nq\n"), stdout=(said := io.StringIO()))
    monkeypatch.setattr(sys, "breakpointhook", lambda: debugger.set_trace(sys._getframe(1)))
    with pytest.raises(RemoteError, match="its debugger was quit"):
        asyncio.run(main.stop(7))
    assert "('x is', 7)" in said.getvalue()


def test_on_a_worker_a_breakpoint_is_one_sentence(project: Import, ours: RemoteCalls) -> None:
    main = project({"main.py": HEAD + FUNCTIONS})
    with pytest.raises(RemoteError) as caught:
        asyncio.run(ours.call(main.stop.spec, (1,), {}))
    assert "stopped at a breakpoint" in str(caught.value)
    assert "--in-process" in str(caught.value)
    assert "bdb" not in "".join(traceback.format_exception(caught.value))
