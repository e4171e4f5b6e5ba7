"""Instances of remote classes on their worker: pickled, copied and given to other processes."""

from __future__ import annotations

import asyncio
import pickle
import sys
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from pytest_flash.functions.calling.calls import RemoteCalls
from pytest_flash.functions.registry import registry
from tests.functions.travelling import HEAD
from tests.functions.workers import MinimalWorker, OnMinimal

Module = Callable[[str], ModuleType]

SOURCE = """\
import copy, multiprocessing, pickle
from concurrent.futures import ProcessPoolExecutor

class Again:
    def again(self):
        made = [pickle.loads(pickle.dumps(self, each)) for each in range(6)]
        made += [copy.copy(self), copy.deepcopy(self)]
        return [each.n for each in made if type(each) is type(self) and each is not self]

@remote(gpu)
class Model(Again):
    def __init__(self, n):
        self.n = n

    def scaled(self, x):
        return self.n * x

    def in_processes(self, method):
        context = multiprocessing.get_context(method)
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            return list(pool.map(self.scaled, [1, 2], timeout=60))

    def itself(self):
        return {"kept": [self]}

    def its_class(self):
        return type(self)

    def by_name(self):
        return pickle.dumps(type(self))

@remote(gpu)
class Derived(Model):
    def scaled(self, x):
        return super().scaled(x) + 1

@remote(gpu)
class Slotted(Again):
    __slots__ = ("n",)

    def __init__(self, n):
        self.n = n

    def __getnewargs_ex__(self):
        return (), {}

    def __new__(cls, *args):
        return super().__new__(cls)

    def again(self):
        return [pickle.loads(pickle.dumps(self)).n, copy.copy(self).n]

@remote(gpu)
class Reduced(Again):
    def __init__(self, n):
        self.n = n

    def __reduce__(self):
        return type(self), (self.n,)

@remote(gpu)
class Plain:
    def __init__(self, n):
        self.n = n

    def __reduce_ex__(self, protocol):
        return dict, ([("n", self.n)],)

    def itself(self):
        return self

@remote(gpu)
async def makes(n):
    return Model(n)
"""


@pytest.fixture(params=["ours", "minimal"])
def caller(request: pytest.FixtureRequest, ours: RemoteCalls, minimal: MinimalWorker) -> Any:
    made = ours if request.param == "ours" else OnMinimal(minimal, ours)
    with registry.bound(made):
        yield made


@pytest.fixture
def made(module: Module) -> Any:
    return module(HEAD + SOURCE)


def test_instances_are_pickled_and_copied_as_elsewhere(made: Any, caller: Any) -> None:
    async def all_of_them() -> list[Any]:
        kinds = (made.Model, made.Derived, made.Slotted, made.Reduced)
        return [await each(n).again() for n, each in enumerate(kinds)]

    assert asyncio.run(all_of_them()) == [[0] * 8, [1] * 8, [2] * 2, [3] * 8]


@pytest.mark.parametrize(("method", "name"), [("spawn", "Model"), ("forkserver", "Derived")])
def test_other_processes_are_given_bound_methods(
    made: Any, caller: Any, method: str, name: str
) -> None:
    more = name == "Derived"
    answer = asyncio.run(getattr(made, name)(3).in_processes(method))
    assert answer == [3 + more, 6 + more]


def test_what_stays_on_the_worker_is_refused_as_a_result(made: Any, caller: Any) -> None:
    model = made.Model(1)
    for call in (model.itself, model.its_class, lambda: made.makes(1)):
        with pytest.raises(TypeError, match="their instances stay on the worker"):
            asyncio.run(call())


def test_an_instance_that_is_pickled_as_something_else_is_sent_back(made: Any, caller: Any) -> None:
    assert asyncio.run(made.Plain(2).itself()) == {"n": 2}


def test_a_class_that_is_pickled_is_explained(made: Any, caller: Any) -> None:
    with pytest.raises(pickle.PicklingError) as caught:
        asyncio.run(made.Model(1).by_name())
    shown = "".join(traceback.format_exception(caught.value))
    assert sys.version_info < (3, 11) or "Give other processes plain functions" in shown


POOL = """\
import shared

@remote(gpu, dependencies=["joblib"])
def {name}(n):
    from joblib import Parallel, delayed
    return Parallel(n_jobs=2)(delayed(shared.{name}_work)(i) for i in range(n))
"""


def test_the_pool_of_joblib_has_the_modules_of_the_call(
    request: pytest.FixtureRequest, project: Callable[[dict[str, str]], Any], ours: RemoteCalls
) -> None:
    if not request.config.getoption("soak"):
        pytest.skip("installs joblib: with --soak")
    files = {
        "main.py": "import first, second\n",
        "first.py": HEAD + POOL.format(name="one").replace("shared", "of_first"),
        "second.py": HEAD + POOL.format(name="two").replace("shared", "of_second"),
        "of_first.py": "def one_work(x):\n    return x + 1\n",
        "of_second.py": "def two_work(x):\n    return x + 2\n",
    }
    main = project(files)

    async def both() -> list[Any]:
        return [await main.first.one(2), await main.second.two(2), await main.first.one(3)]

    with registry.bound(ours):
        assert asyncio.run(both()) == [[1, 2], [2, 3], [1, 2, 3]]
