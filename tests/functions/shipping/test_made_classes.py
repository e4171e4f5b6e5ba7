"""Classes that no statement names: made by subscription, or by a call."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import functools
import typing
from collections import namedtuple
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import pydantic
import pytest

from pytest_flash import LiveServerless, remote
from pytest_flash.functions.calling.calls import RemoteCalls

T = TypeVar("T")
GPU = LiveServerless(name="gpu")


class Item(pydantic.BaseModel):
    name: str


class Page(pydantic.BaseModel, Generic[T]):
    items: list[T]

    def first(self) -> T:
        return self.items[0]


class Both(pydantic.BaseModel, Generic[T]):
    page: Page[T]


Made = pydantic.create_model("Made", x=(int, ...))
Sub = pydantic.create_model("Sub", __base__=Item, y=(int, 3))
OtherName = pydantic.create_model("Named", x=(int, ...))


class Pair(NamedTuple):
    a: int
    b: str


Plain = namedtuple("Plain", "a b")
Colour = enum.Enum("Colour", "RED BLUE")
Level = enum.IntEnum("Level", {"LOW": 1, "HIGH": 2})
Kept = enum.Enum("Renamed", "ONE")  # type: ignore[misc]
Number = typing.NewType("Number", int)
Word = typing.NewType("Other", str)  # type: ignore[misc]
Record = dataclasses.make_dataclass("Record", [("x", int)])


@dataclasses.dataclass
class Box(Generic[T]):
    value: T


def add(a: int, b: int) -> int:
    return a + b


@remote(GPU, dependencies=["pydantic"])
def identity(value: Any) -> Any:
    return value


@remote(GPU, dependencies=["pydantic"])
def page_of(names: list[str]) -> Any:
    return Page[Item](items=[Item(name=each) for each in names])


@remote(GPU, dependencies=["pydantic"])
def first(page: Page[Item]) -> str:
    assert type(page) is Page[Item]
    assert isinstance(page, Page)
    return page.first().name


@remote(GPU, dependencies=["pydantic"])
def apply(function: Callable[[int], int], value: int) -> int:
    return function(value)


VALUES: list[Any] = [
    Page[Item](items=[Item(name="a")]),
    Page[int](items=[1]),
    Page[Page[Item]](items=[Page[Item](items=[Item(name="b")])]),
    Both[Item](page=Page[Item](items=[])),
    Made(x=1),
    Sub(name="a"),
    OtherName(x=2),
    Pair(1, "x"),
    Plain(1, 2),
    Colour.BLUE,
    Level.HIGH,
    Kept.ONE,
    Record(3),
    Box[int](4),
    Page[Item],
    Page[int],
    Made,
    Pair,
    Colour,
    Box[int],
    Number,
    Word,
    list[int],
    typing.Optional[int],  # noqa: UP045 - it travels as what it is
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_it_comes_back_as_what_it_was(ours: RemoteCalls, value: Any) -> None:
    back = asyncio.run(ours.call(identity.spec, (value,), {}))
    assert back == value
    assert type(back) is type(value)
    if isinstance(value, type):
        assert back is value


def test_a_new_type_without_a_name(ours: RemoteCalls) -> None:
    local = typing.NewType("local", int)
    back = asyncio.run(ours.call(identity.spec, (local,), {}))
    assert (back.__name__, back.__supertype__) == ("local", int)


def test_partials(ours: RemoteCalls) -> None:
    partial = functools.partial(add, 3)
    back = asyncio.run(ours.call(identity.spec, (partial,), {}))
    assert (back.func, back.args) == (add, (3,))
    assert asyncio.run(ours.call(apply.spec, (partial, 4), {})) == 7
    method = functools.partial(Page[Item].model_validate, {"items": [{"name": "a"}]})
    assert asyncio.run(ours.call(identity.spec, (method,), {}))() == VALUES[0]


def test_the_class_on_the_worker_is_the_same(ours: RemoteCalls) -> None:
    assert asyncio.run(ours.call(first.spec, (VALUES[0],), {})) == "a"


def test_a_result_of_a_class_that_the_function_subscripts(ours: RemoteCalls) -> None:
    back = asyncio.run(ours.call(page_of.spec, (["a"],), {}))
    assert back == VALUES[0]
    assert type(back) is Page[Item]


@remote(GPU, dependencies=["pydantic"])
def made_there() -> Any:
    return OtherName(x=1), Kept.ONE, Sub(name="a"), Pair(1, "b"), Box[int](2), Page[int](items=[1])


def test_what_is_made_there_is_of_the_classes_here(ours: RemoteCalls) -> None:
    back = asyncio.run(ours.call(made_there.spec, (), {}))
    assert [type(each) for each in back] == [OtherName, type(Kept.ONE), Sub, Pair, Box, Page[int]]
    assert back[1] is Kept.ONE
