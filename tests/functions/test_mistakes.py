"""What people get who call remote functions with what cannot be, or in a way that cannot be."""

from __future__ import annotations

import asyncio
import gc
import inspect
import io
import re
import sqlite3
import tempfile
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI, Request, UploadFile, WebSocket

from pytest_flash import LiveServerless, remote
from pytest_flash.errors import CannotTravelError
from pytest_flash.functions.calling.calls import RemoteCalls
from pytest_flash.functions.declaration.specs import FunctionSpec
from pytest_flash.functions.registry import registry
from pytest_flash.runpod import Endpoint, QueueClient
from tests.runpod.scripted import ScriptedServer, scripted

GPU = LiveServerless(name="mistakes")


@remote(GPU)
def one(x: Any) -> Any:
    return x


@remote(GPU)
def takes(a: int, /, b: int, *, c: int = 3) -> tuple[int, int, int]:
    return a, b, c


@remote(GPU)
async def anything(*args: Any, **kwargs: Any) -> Any:
    return args, kwargs


@remote(GPU)
class Model:
    SIZE = 3

    def __init__(self, name: str) -> None:
        self.name = name

    async def predict(self, x: int, *, times: int = 1) -> int:
        return x * times

    @staticmethod
    def parsed(text: str) -> int:
        return int(text)

    @classmethod
    def load(cls, name: str) -> Any:
        return cls(name)


UNTYPED: Any = Model  # As who has no type checker uses it.


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with scripted() as made:
        yield made


@pytest.fixture(scope="module")
def calls(server: ScriptedServer) -> Iterator[RemoteCalls]:
    """Whoever calls here; nothing may be sent."""

    async def find(_: FunctionSpec, __: Endpoint | None) -> Endpoint:
        return Endpoint(id="ep0", name="live-mistakes", timeout=60_000)

    made = RemoteCalls(QueueClient(server.embedded), find)
    with registry.bound(made):
        yield made
    assert server.requests == []


def refused(calls: RemoteCalls, *args: Any) -> str:
    with pytest.raises(CannotTravelError) as caught:
        asyncio.run(calls.call(one.spec, args, {}))
    return str(caught.value)


async def coroutine() -> None: ...


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


class Session:
    """As database libraries have them."""

    __module__, __qualname__ = "sqlalchemy.orm.session", "Session"


SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": [], "app": FastAPI()}


@pytest.mark.parametrize(
    ("value", "kind", "way_out"),
    [
        (Request(SCOPE), "a Request", "pass what is needed of it, such as await request.json()"),
        (WebSocket({**SCOPE, "type": "websocket"}, coroutine, coroutine), "a WebSocket",  # type: ignore[arg-type]
         "pass what is needed of it"),
        (UploadFile(io.BytesIO(b"x")), "an UploadFile", "pass what await file.read() gives"),
        (FastAPI(), "a FastAPI", "pass what is needed of it"),
        (Session(), "a Session", "pass rows as plain data, or connect inside the function"),
        ([{"session": Session()}], "a list", "a Session is connected here"),
        (sqlite3.connect(":memory:"), "a Connection", "pass rows as plain data"),
        (generator(), "a generator", "pass a list of them"),
        (async_generator(), "an async_generator", "pass a list of them"),
        (threading.Lock(), "a lock", "Pass plain data, or what is needed to make it there"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_an_argument_that_is_of_use_here_alone(
    calls: RemoteCalls, value: Any, kind: str, way_out: str
) -> None:
    said = refused(calls, value)
    assert f"argument 'x', {kind}, of one cannot be sent to a worker: " in said
    assert way_out in said
    assert said.startswith(one.spec.location)


@pytest.mark.parametrize("mode", ["r", "rb", "w", "r+b"])
def test_an_open_file(calls: RemoteCalls, mode: str) -> None:
    with tempfile.NamedTemporaryFile() as made, open(made.name, mode) as file:  # noqa: PTH123
        assert "is open here; pass its content, or open the file inside" in refused(calls, file)


@pytest.mark.parametrize("make", [coroutine, lambda: one(1)], ids=["own", "remote"])
def test_a_coroutine_that_has_not_been_awaited(calls: RemoteCalls, make: Callable[[], Any]) -> None:
    value = make()
    assert "a coroutine has not been awaited; await it" in refused(calls, value)
    value.close()


def test_a_lambda_around_a_lock(calls: RemoteCalls) -> None:
    lock = threading.Lock()
    assert "argument 'x', a function, of one cannot be sent" in refused(calls, lambda: lock)


def python_says(function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    with pytest.raises(TypeError) as caught:
        function(*args, **kwargs)
    return str(caught.value)


@pytest.mark.parametrize("way", ["call", "spawn"])
@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {}),
        ((1,), {}),
        ((1, 2, 3), {}),
        ((1, 2), {"d": 4}),
        ((1, 2), {"b": 3}),
        ((), {"a": 1, "b": 2}),
    ],
)
def test_arguments_that_do_not_fit_are_refused_in_pythons_words(
    calls: RemoteCalls, way: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    with pytest.raises(TypeError) as caught:
        asyncio.run(getattr(calls, way)(takes.spec, args, kwargs))
    assert str(caught.value) == python_says(takes.local, *args, **kwargs)


def test_arguments_that_fit_are_taken(calls: RemoteCalls) -> None:
    for function, args, kwargs in (
        (takes, (1, 2), {}),
        (takes, (1,), {"b": 2, "c": 4}),
        (anything, (), {}),
        (anything, (1, 2), {"self": 3, "spec": 4, "args": 5}),
    ):
        calls.shipping.pack(function.spec, args, kwargs)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: UNTYPED(), "Model() missing 1 required positional argument: 'name'"),
        (lambda: UNTYPED("a", size=1), "Model() got an unexpected keyword argument 'size'"),
        (lambda: UNTYPED("a").predict(), "Model.predict() missing 1 required positional argument"),
        (lambda: UNTYPED("a").predict(1, 2), "Model.predict() takes 2 positional arguments but 3"),
        (lambda: UNTYPED("a").parsed(), "Model.parsed() missing 1 required positional argument"),
        (lambda: UNTYPED("a").load(), "Model.load() missing 1 required positional argument"),
        (lambda: UNTYPED.predict(1), "are called on instances: await Model(...).predict(...)"),
        (lambda: UNTYPED.load("a"), "are called on instances: await Model(...).load(...)"),
    ],
)
def test_classes(calls: RemoteCalls, call: Callable[[], Any], message: str) -> None:
    async def called() -> None:
        await call()

    with pytest.raises(TypeError, match=re.escape(message)):
        asyncio.run(called())


def test_what_a_class_itself_has_is_here() -> None:
    assert (Model.SIZE, Model.parsed("3")) == (3, 3)
    assert list(inspect.signature(Model.predict).parameters) == ["self", "x", "times"]


def test_a_method_that_is_spelled_wrong() -> None:
    with pytest.raises(AttributeError, match="did you mean 'predict'"):
        UNTYPED("a").predikt  # noqa: B018


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: one(1), "one"),
        (lambda: anything(), "anything"),
        (lambda: one.spawn(1), "one.spawn"),
        (lambda: Model("a").predict(1), "Model.predict"),
    ],
)
def test_a_call_that_nobody_awaits_is_named_in_the_warning(
    calls: RemoteCalls, call: Callable[[], Any], name: str
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
        gc.collect()
    assert [str(each.message) for each in caught] == [f"coroutine '{name}' was never awaited"]


def test_frameworks_see_that_a_remote_function_is_to_be_awaited() -> None:
    for function in (one, anything):
        assert inspect.iscoroutinefunction(function.__call__)
        assert function.__call__.__doc__


def test_awaiting_twice(calls: RemoteCalls) -> None:
    async def twice() -> None:
        call = takes()  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="missing 2 required"):
            await call
        await call

    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        asyncio.run(twice())


class Sulking:
    def __reduce__(self) -> str:
        raise TypeError("It will not be pickled.")


def test_a_refusal_has_one_full_stop(calls: RemoteCalls) -> None:
    with pytest.raises(CannotTravelError, match=r"will not be pickled\. Pass plain data"):
        asyncio.run(calls.call(one.spec, (Sulking(),), {}))
