"""@remote at definition, and where a call runs."""

from __future__ import annotations

import asyncio
import functools
import inspect
import pickle
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

import pytest

from pytest_flash import FlashWarning, LiveServerless, remote
from pytest_flash.errors import ConfigurationError
from pytest_flash.functions.declaration.specs import FunctionSpec
from pytest_flash.functions.registry import registry

GPU = LiveServerless(name="decorator-gpu")


@remote(GPU, dependencies=["numpy>=1"], system_dependencies=["ffmpeg"], accelerate_downloads=False)
def add(a: int, b: int = 2) -> int:
    """Add."""
    return a + b


@remote(GPU, local=True)
def here(a: int) -> int:
    return a + 1


@remote(GPU, local=True)
async def here_async(a: int) -> int:
    return a + 1


class Recorder:
    """A caller that answers with what it was asked."""

    async def call(
        self, spec: FunctionSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        return spec.name, args, dict(kwargs)

    async def spawn(self, *_: Any) -> Any:
        raise NotImplementedError

    def construct(self, *_: Any) -> Any:
        raise NotImplementedError


def test_the_stand_in_looks_like_the_function() -> None:
    assert add.__name__ == "add"
    assert add.__doc__ == "Add."
    assert list(inspect.signature(add).parameters) == ["a", "b"]
    assert "add on 'decorator-gpu'" in repr(add)


def test_what_was_declared_is_registered() -> None:
    spec = add.spec
    assert spec in registry.functions()
    assert spec.dependencies == ("numpy>=1",)
    assert spec.system_dependencies == ("ffmpeg",)
    assert spec.accelerate_downloads is False
    assert spec.file == __file__


def test_a_call_goes_to_whoever_is_bound() -> None:
    with registry.bound(Recorder()):
        assert asyncio.run(add(1, b=3)) == ("add", (1,), {"b": 3})  # type: ignore[comparison-overlap]


@pytest.mark.parametrize("function", [here, here_async])
def test_local_runs_here_and_is_awaited(function: Callable[[int], Any]) -> None:
    assert asyncio.run(function(1)) == 2


def test_inside_a_worker_the_function_runs_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_ENDPOINT_ID", "abc")
    assert asyncio.run(add(1)) == 3


def test_what_is_bound_wins_over_the_variable_of_workers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RUNPOD_ENDPOINT_ID", "abc")
    with registry.bound(Recorder()):
        assert asyncio.run(add(1)) == ("add", (1,), {})  # type: ignore[comparison-overlap]


def test_a_local_function_needs_no_endpoint() -> None:
    assert here.spec not in registry.functions()


def test_the_stand_in_pickles_by_name() -> None:
    assert pickle.loads(pickle.dumps(add)) is add


def refused(*arguments: Any, match: str, **keywords: Any) -> None:
    with pytest.raises(ConfigurationError, match=match):
        remote(*arguments, **keywords)


def test_an_unknown_keyword_gets_a_suggestion() -> None:
    refused(GPU, dependancies=["numpy"], match="did you mean 'dependencies'")


def test_a_keyword_near_nothing_is_ignored_with_one_warning() -> None:
    given: dict[str, Any] = {"hf_models_to_cache": ["m"], "zzz": 1}
    with pytest.warns(FlashWarning, match="ignores hf_models_to_cache, zzz: it takes") as warned:
        remote(GPU, **given)
    assert [each.filename for each in warned] == [__file__]


@pytest.mark.parametrize("name", ["dependencies", "system_dependencies"])
@pytest.mark.parametrize("value", ["numpy", [1], [""], 3, {"numpy": 1}])
def test_requirements_are_lists_of_strings(name: str, value: Any) -> None:
    refused(GPU, match=f"{name} must be a list", **{name: value})


@pytest.mark.parametrize("name", ["accelerate_downloads", "local"])
def test_switches_are_booleans(name: str) -> None:
    refused(GPU, match=f"{name} must be True or False", **{name: "yes"})


def test_the_decorator_needs_a_resource() -> None:
    refused(lambda: None, match="needs a resource")


def test_generators_are_refused_with_their_place(module: Callable[[str], ModuleType]) -> None:
    source = (
        "from pytest_flash import LiveServerless, remote\n"
        "@remote(LiveServerless(name='g'))\ndef many():\n    yield 1\n"
    )
    with pytest.raises(ConfigurationError, match=r"shipped_\d+.py:2: many is a generator"):
        module(source)


def test_a_cached_function_can_be_remote() -> None:
    @functools.cache
    def square(x: int) -> int:
        return x * x

    assert remote(GPU)(square).spec.name == "square"


def test_a_cached_generator_is_refused() -> None:
    @functools.cache
    def many() -> Iterator[int]:
        yield 1

    with pytest.raises(ConfigurationError, match="many is a generator"):
        remote(GPU)(many)


@pytest.mark.parametrize(
    "path",
    [
        *("./lib", "../lib", "/srv/lib", "~/lib", ".", "file:lib", "file:///lib"),
        *("lib @ file:///lib", "C:\\lib", "lib-1.0-py3-none-any.whl", "lib[extra]@file:../lib"),
    ],
)
def test_a_local_path_is_not_a_dependency(path: str) -> None:
    refused(GPU, dependencies=["numpy", path], match="is a path on this machine")


@pytest.mark.parametrize(
    "requirement",
    [
        *("numpy", "numpy[all]>=1,<2", "lib @ https://host/lib-1.0.whl", "filelock"),
        *("lib@git+https://host/lib", "https://host/lib-1.0-py3-none-any.whl"),
        "torch==2.1; python_version > '3.8'",
    ],
)
def test_addresses_and_names_are_dependencies(requirement: str) -> None:
    remote(GPU, dependencies=[requirement])


@pytest.mark.parametrize("value", [int, print, object()])
def test_only_functions_can_be_remote(value: Any) -> None:
    with pytest.raises(ConfigurationError):
        remote(GPU)(value)


def test_twice_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="twice"):
        remote(GPU)(add)
