"""Remote classes where a class is expected: annotations, checks, bases; and their instances."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, Optional

import httpx
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI

from pytest_flash.functions.calling.calls import RemoteCalls
from pytest_flash.functions.registry import registry
from tests.functions.travelling import HEAD
from tests.functions.workers import MinimalWorker, OnMinimal

Module = Callable[[str], ModuleType]

SOURCE = """\
import functools
MADE = []

@remote(gpu)
class Base:
    def __init__(self, name):
        MADE.append(name)
        self.name = name

    def hello(self):
        return f"hello {self.name}"

    def __call__(self, y: int):
        return y + 1

@remote(gpu, dependencies=[])
class Derived(Base):
    def __init__(self, name, mark="!"):
        super().__init__(name)
        self.mark = mark

    async def loud(self):
        return self.hello() + self.mark

@remote(gpu)
class Explicit(Base):
    def __init__(self):
        Base.__init__(self, "explicit")

class Plain(Base):
    pass

model = Base("global")

@remote(gpu)
async def greets(given):
    return await given.hello(), isinstance(given, Base), issubclass(Derived, Base), list(MADE)

@remote(gpu)
async def calls(hello):
    return await hello()

@remote(gpu)
async def uses_global() -> Base | None:
    return await model.hello()

def closure():
    model = Base("closed over")

    @remote(gpu)
    async def inner():
        return await model.hello()

    return inner

@remote(gpu)
def plain(x: int):
    return 2 * x
"""


@pytest.fixture(params=["ours", "minimal"])
def caller(request: pytest.FixtureRequest, ours: RemoteCalls, minimal: MinimalWorker) -> Any:
    made = ours if request.param == "ours" else OnMinimal(minimal, ours)
    with registry.bound(made):
        yield made


@pytest.fixture
def made(module: Module) -> Any:
    return module(HEAD + SOURCE)


def test_a_remote_class_is_used_as_a_type(made: Any) -> None:
    base, derived, plain = made.Base, made.Derived, made.Plain
    assert Optional[base] == (base | None) == (None | base)  # noqa: UP045 - what is tested
    assert isinstance(base("a"), base)
    assert isinstance(derived("a"), base)
    assert not isinstance(base("a"), derived)
    assert not isinstance("a", base)
    assert issubclass(derived, base)
    assert not issubclass(base, derived)
    assert issubclass(plain, base)
    assert isinstance(plain("a"), base)


def test_what_is_not_decorated_runs_here(made: Any) -> None:
    assert made.Plain("a").hello() == "hello a"
    assert made.MADE == ["a"]


def test_the_configuration_is_found_as_official_tools_look_for_it(made: Any) -> None:
    assert made.Derived.__remote_config__ == {
        "resource_config": made.gpu,
        "method": None,
        "path": None,
        "dependencies": None,
        "system_dependencies": None,
    }
    assert made.plain.__remote_config__["resource_config"] is made.gpu
    assert not hasattr(made.plain, "__other_config__")


def test_remote_subclasses_inherit_methods_and_constructors(made: Any, caller: Any) -> None:
    async def all_of_them() -> list[Any]:
        model = made.Derived("d", mark="?")
        return [await model.hello(), await model.loud(), await made.Explicit().hello()]

    assert asyncio.run(all_of_them()) == ["hello d", "hello d?", "hello explicit"]


def test_an_instance_is_passed_and_made_once(made: Any, caller: Any) -> None:
    async def twice() -> list[Any]:
        return [await made.greets(made.Derived("passed")) for _ in range(2)]

    first, second = asyncio.run(twice())
    assert first == ("hello passed", True, True, second[3])
    assert second[3].count("passed") == 1


def test_bound_methods_and_instances_in_closures_and_modules(made: Any, caller: Any) -> None:
    async def all_of_them() -> list[Any]:
        bound = made.Base("bound").hello
        return [await made.calls(bound), await made.closure()(), await made.uses_global()]

    assert asyncio.run(all_of_them()) == ["hello bound", "hello closed over", "hello global"]


def test_frameworks_await_remote_functions_and_methods(made: Any, ours: RemoteCalls) -> None:
    if sys.version_info >= (3, 12):
        assert inspect.iscoroutinefunction(made.plain)
    else:
        assert asyncio.iscoroutinefunction(made.plain)
    assert inspect.iscoroutinefunction(made.Base("x").hello)
    app, done = FastAPI(), []

    async def note(x: int) -> None:
        done.append(await made.plain(x))

    @app.get("/depends")
    async def depends(
        value: int = Depends(made.plain),
        text: str = Depends(made.model.hello),
        more: int = Depends(made.model),
    ) -> Any:
        return [value, text, more]

    @app.get("/tasks")
    async def tasks(background: BackgroundTasks) -> None:
        background.add_task(made.plain, 3)
        background.add_task(note, 4)

    app.get("/direct")(made.plain)

    async def answers() -> list[Any]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            paths = ("/depends?x=2&y=6", "/direct?x=5", "/tasks")
            return [(await client.get(path)).json() for path in paths]

    with registry.bound(ours):
        assert asyncio.run(answers()) == [[4, "hello global", 7], 10, None]
    assert done == [8]
