"""Calls of old and of new code on one worker, at the same time and one after the other."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_flash.functions.calling.calls import RemoteCalls
from tests.functions.workers import emulated
from tests.support.system.processes import wait_until

MAIN = """\
import asyncio, importlib, os, pickle, sys, threading
from pytest_flash import CpuLiveLoadBalancer, remote
from shop import Thing, held, settings as first
balanced = CpuLiveLoadBalancer(name="generations", workersMax=1, scalerValue=100)
GENERATION = {number}


def in_function():
    from shop import settings
    import shop.settings as st
    return [settings.VALUE, st.VALUE]


async def in_task():
    await asyncio.sleep(0)
    return in_function()


async def late():
    await asyncio.sleep(0)
    from shop import later
    yield later.VALUE


async def until_allowed(folder, name):
    open(os.path.join(folder, name), "w").close()
    while not os.path.exists(os.path.join(folder, "go-" + name)):
        await asyncio.sleep(0.005)


@remote(balanced, method="POST", path="/look")
async def look(folder, name):
    await until_allowed(folder, name)
    found = [GENERATION, first.VALUE, held.get(), *in_function()]
    found += await asyncio.create_task(in_task())
    found += await asyncio.to_thread(in_function)
    thread = threading.Thread(target=lambda: found.extend(in_function()))
    thread.start()
    thread.join()
    found.append(importlib.import_module("shop.settings").VALUE)
    found.append(sys.modules["shop.settings"].VALUE)
    found.append(pickle.loads(pickle.dumps(Thing())).VALUE)
    found += [value async for value in late()]
    return found


@remote(balanced, method="POST", path="/fail")
async def fail(folder, name):
    await until_allowed(folder, name)
{lines}    raise ValueError(GENERATION)


@remote(balanced, method="POST", path="/now")
def now():
    from shop import later
    return [GENERATION, first.VALUE, held.get(), *in_function(), later.VALUE]
"""


def files(number: int) -> dict[str, str]:
    return {
        "main.py": MAIN.format(number=number, lines="    # one more\n" * number),
        "shop/__init__.py": f"class Thing:\n    VALUE = {number}\n",
        "shop/settings.py": f"VALUE = {number}\n",
        "shop/later.py": f"VALUE = {number}\n",
        # Its own text never changes.
        "shop/held.py": "from . import settings\ndef get():\n    return settings.VALUE\n",
    }


@pytest.fixture(scope="module")
def balanced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteCalls]:
    with emulated(tmp_path_factory.mktemp("generations")) as session:
        yield session.calls


@pytest.fixture
def generation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Any]]:
    """Import the project as it is in that generation: the one before stays callable."""
    folder = tmp_path / "project"
    monkeypatch.syspath_prepend(folder)

    def forget() -> None:
        for name in [each for each in sys.modules if each.partition(".")[0] in ("main", "shop")]:
            del sys.modules[name]
        importlib.invalidate_caches()

    def load(number: int) -> Any:
        forget()
        for name, text in files(number).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            path.write_text(text)
        return importlib.import_module("main")

    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield load
    forget()


@pytest.fixture
def two(balanced: RemoteCalls, generation: Callable[[int], Any]) -> dict[str, Any]:
    """The functions of two generations, by the names of these."""
    old = generation(1)
    for function in (old.look, old.fail, old.now):
        balanced.shipping.prepare(function.spec)
    return {"old": old, "new": generation(2)}


class Meeting:
    """Calls that have begun one after the other, and go on when they are let."""

    def __init__(self, calls: RemoteCalls, folder: Path) -> None:
        self._calls = calls
        self._folder = folder
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    async def begin(self, name: str, function: Any) -> None:
        call = self._calls.call(function.spec, (str(self._folder), name), {})
        self._tasks[name] = asyncio.create_task(call)
        begun = (self._folder / name).exists
        await asyncio.to_thread(wait_until, begun, 20, f"the start of {name}")

    async def end(self, name: str) -> Any:
        (self._folder / f"go-{name}").touch()
        return await self._tasks[name]


@pytest.mark.parametrize("order", [("old", "new"), ("new", "old")])
def test_calls_of_two_generations_at_once_find_their_own_modules(
    balanced: RemoteCalls, two: dict[str, Any], tmp_path: Path, order: tuple[str, str]
) -> None:
    async def meet() -> dict[str, Any]:
        meeting = Meeting(balanced, tmp_path)
        for name, generation in two.items():
            await meeting.begin(name, generation.look)
        return {name: await meeting.end(name) for name in order}

    found = asyncio.run(meet())
    assert set(found["old"]) == {1}, str(found)
    assert set(found["new"]) == {2}, str(found)


def test_a_short_call_of_one_generation_in_the_midst_of_a_long_one_of_the_other(
    balanced: RemoteCalls, two: dict[str, Any], tmp_path: Path
) -> None:
    async def meet() -> list[Any]:
        meeting = Meeting(balanced, tmp_path)
        await meeting.begin("old", two["old"].look)
        short = [await balanced.call(two[name].now.spec, (), {}) for name in ("new", "old", "new")]
        return [*short, await meeting.end("old")]

    assert [set(each) for each in asyncio.run(meet())] == [{2}, {1}, {2}, {1}]


def test_an_error_shows_the_lines_of_its_own_generation(
    balanced: RemoteCalls, two: dict[str, Any], tmp_path: Path
) -> None:
    async def meet() -> dict[str, ValueError]:
        meeting, errors = Meeting(balanced, tmp_path), {}
        for name, generation in two.items():
            await meeting.begin(name, generation.fail)
        for name in two:
            try:
                await meeting.end(name)
            except ValueError as error:
                errors[name] = error
        return errors

    for error in asyncio.run(meet()).values():
        trace: str = getattr(error, "remote_traceback")  # noqa: B009 - of a class made for it
        assert "raise ValueError(GENERATION)" in trace


def test_calls_of_two_generations_one_after_the_other(
    balanced: RemoteCalls, two: dict[str, Any]
) -> None:
    async def call() -> list[Any]:
        names = ("old", "new", "old", "old", "new")
        return [await balanced.call(two[name].now.spec, (), {}) for name in names]

    assert [set(each) for each in asyncio.run(call())] == [{1}, {2}, {1}, {1}, {2}]
