"""@remote on a class: instances live on workers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from pytest_flash import LiveServerless, remote
from pytest_flash.errors import CannotTravelError, ConfigurationError
from pytest_flash.functions.calling.calls import RemoteCalls
from pytest_flash.functions.registry import registry
from tests.functions.travelling import HEAD
from tests.functions.workers import MinimalWorker, OnMinimal

Module = Callable[[str], ModuleType]

MODEL = """\
import os, time
MADE = []

@remote(gpu)
class Model:
    "A model."
    SIZE = 3

    def __init__(self, name, *, slow=0.0):
        time.sleep(slow)
        MADE.append(name)
        self.name = name
        self.calls = 0

    @property
    def title(self):
        return self.name.title()

    def predict(self, x):
        self.calls += 1
        return f"{self.name}{x * Model.SIZE}", self.calls, list(MADE)

    async def later(self, x):
        return (await self._double(x)), os.getpid()

    async def _double(self, x):
        return x * 2

    @staticmethod
    def plain(x):
        return x + 1

    @classmethod
    def kind(cls):
        return cls.__name__

    def __call__(self, x):
        return -x

    def fails(self):
        raise ValueError(self.name)
"""


@pytest.fixture(params=["ours", "minimal"])
def caller(request: pytest.FixtureRequest, ours: RemoteCalls, minimal: MinimalWorker) -> Any:
    made = ours if request.param == "ours" else OnMinimal(minimal, ours)
    with registry.bound(made):
        yield made


def run(work: Any) -> Any:
    return asyncio.run(work)


def test_methods_are_awaited_and_the_instance_lasts(module: Module, caller: Any) -> None:
    made: Any = module(HEAD + MODEL)

    async def both() -> list[Any]:
        model, other = made.Model("m"), made.Model("n")
        return [
            await model.predict(1),
            await model.predict(x=2),
            await other.predict(1),
            await made.Model("m").predict(1),
        ]

    assert run(both()) == [
        ("m3", 1, ["m"]),
        ("m6", 2, ["m"]),
        ("n3", 1, ["m", "n"]),
        ("m3", 3, ["m", "n"]),
    ]


def test_every_kind_of_method(module: Module, caller: Any) -> None:
    made: Any = module(HEAD + MODEL)

    async def all_of_them() -> list[Any]:
        model = made.Model("m")
        return [
            (await model.later(2))[0],
            await model.plain(2),
            await model.kind(),
            await model(2),
        ]

    assert run(all_of_them()) == [4, 3, "Model", -2]


def test_what_a_method_raises_arrives(module: Module, caller: Any) -> None:
    made: Any = module(HEAD + MODEL)
    with pytest.raises(ValueError, match=r"^m$") as caught:
        run(made.Model("m").fails())
    assert "raise ValueError(self.name)" in getattr(caught.value, "remote_traceback", "")


def test_ten_calls_of_a_class_that_takes_a_second_to_construct(module: Module, caller: Any) -> None:
    made: Any = module(HEAD + MODEL)

    async def ten() -> list[Any]:
        model = made.Model("m", slow=1.0)
        return [await model.predict(1) for _ in range(10)]

    # Each call is another one of the same instance, which was constructed once.
    assert [calls for _, calls, _ in run(ten())] == list(range(1, 11))


def test_a_class_is_usable_on_the_worker(module: Module, caller: Any) -> None:
    made: Any = module(
        HEAD + MODEL + "\n@remote(gpu)\nasync def f(x):\n    model = Model('w')\n"
        "    return (await model.predict(x))[0], Model.SIZE\n"
    )
    assert run(caller.call(made.f.spec, (2,), {})) == ("w6", 3)


@pytest.mark.parametrize(
    ("reach", "what"),
    [
        (lambda model: model.name, "an attribute"),
        (lambda model: model.title, "a property"),
        (lambda model: model.SIZE, "an attribute"),
        (lambda model: setattr(model, "name", "x"), "an attribute"),
    ],
)
def test_attributes_are_refused_with_a_way_out(
    module: Module, reach: Callable[[Any], Any], what: str
) -> None:
    made: Any = module(HEAD + MODEL)
    with pytest.raises(AttributeError, match=f"{what} cannot be reached from here; write an"):
        reach(made.Model("m"))


ASYNC = """
import functools

def twice(function):
    @functools.wraps(function)
    async def inner(*args):
        return 2 * await function(*args)
    return inner

class Base:
    async def inherited(self, x):
        return self.n * x

@remote(gpu)
class Kinds(Base):
    def __init__(self, n):
        self.n = n

    async def __call__(self, x):
        return self.n + x

    @staticmethod
    async def static(x):
        return x

    @classmethod
    async def of_class(cls, x):
        return cls.__name__ * x

    @twice
    async def decorated(self, x):
        return self.n * x

    async def others(self, x):
        return await self.decorated(x) + await self.static(x) + await self(x)

    def items(self):
        yield 1

    async def async_items(self):
        yield 1
"""


def test_every_kind_of_asynchronous_method_is_awaited(caller: Any, module: Module) -> None:
    made: Any = module(HEAD + ASYNC)

    async def results() -> list[Any]:
        kinds = made.Kinds(3)
        methods = (kinds, kinds.inherited, kinds.static, kinds.of_class, kinds.decorated)
        return [await method(2) for method in (*methods, kinds.others)]

    with registry.bound(caller):
        assert run(results()) == [5, 6, 2, "KindsKinds", 12, 12 + 2 + 5]


@pytest.mark.parametrize("name", ["items", "async_items"])
def test_methods_that_are_generators_are_refused(module: Module, name: str) -> None:
    made: Any = module(HEAD + ASYNC)
    with pytest.raises(ConfigurationError, match=rf"Kinds.{name} \(.*return a list"):
        getattr(made.Kinds(3), name)


def test_constructor_arguments_are_checked_here(module: Module) -> None:
    made: Any = module(HEAD + MODEL)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'name'"):
        made.Model()


def test_the_class_can_be_looked_at(module: Module) -> None:
    made: Any = module(HEAD + MODEL)
    assert made.Model.__name__ == "Model"
    assert made.Model.__doc__ == "A model."
    assert made.Model.SIZE == 3
    assert "Model on 'gpu'" in repr(made.Model)
    assert made.Model.spec in registry.functions()


def test_local_instances_are_awaited_too() -> None:
    @remote(LiveServerless(name="here"), local=True)
    class Counter:
        def __init__(self, start: int) -> None:
            self.at = start

        async def next(self) -> int:
            self.at += 1
            return self.at

    async def twice() -> tuple[int, int]:
        counter = Counter(5)
        return await counter.next(), await counter.next()

    assert run(twice()) == (6, 7)


@pytest.mark.parametrize("kind", [int, dict])
def test_built_in_classes_are_refused(kind: type) -> None:
    with pytest.raises(ConfigurationError, match="a class of your own"):
        remote(LiveServerless(name="gpu"))(kind)


def test_arguments_that_are_equal_make_one_instance(module: Module, caller: Any) -> None:
    made: Any = module(HEAD + MODEL)
    name = "".join(["m", "n"])

    async def calls() -> list[int]:
        alike = [
            made.Model("mn"),
            made.Model(name=name),
            made.Model(name, slow=0.0),
            made.Model(name, slow=0),
            made.Model(True),
        ]
        return [(await each.predict(1))[1] for each in alike]

    assert run(calls()) == [1, 2, 3, 1, 1]


def test_a_class_of_a_function_and_one_without_a_file(caller: Any) -> None:
    extra = 5

    @remote(LiveServerless(name="gpu"))
    class Inner:
        def __init__(self, start: int) -> None:
            self.at = start

        async def next(self, by: int) -> int:
            self.at += by + extra
            return self.at

    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(HEAD + MODEL, namespace)

    async def calls() -> list[Any]:
        inner, model = Inner(1), namespace["Model"]("m")
        return [
            await inner.next(1),
            await inner.next(2),
            await Inner(0).next(0),
            await Inner(1).next(0),
            await model.plain(1),
            (await model.later(2))[0],
        ]

    assert run(calls()) == [7, 14, 5, 19, 2, 4]


def test_what_a_method_cannot_be_given_is_named(module: Module, caller: Any) -> None:
    made: Any = module(HEAD + MODEL)
    with pytest.raises(CannotTravelError, match=r"argument 'x', a lock, of Model\.predict"):
        run(made.Model("m").predict(threading.Lock()))
    with pytest.raises(CannotTravelError, match=r"argument 'x', a lock, of Model\.plain"):
        run(made.Model("m").plain(threading.Lock()))
