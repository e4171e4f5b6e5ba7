"""Jobs that print, raise or return more than can be sent: the caller hears what can be."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_flash import CpuLiveLoadBalancer, CpuLiveServerless, remote
from pytest_flash.errors import JobFailedError, WorkerDiedError
from pytest_flash.events import Event, JobEnded
from pytest_flash.functions.registry import registry
from tests.functions.workers import emulated

QUEUE = CpuLiveServerless(name="much", workersMax=1)
BALANCED = CpuLiveLoadBalancer(name="much-balanced", workersMax=1)
GROUP: Any = getattr(builtins, "ExceptionGroup", None)
MUCH = 8_000_000  # Characters, of three bytes each.


class Refused(Exception):
    """An exception of the project's own."""


def _speak(size: int, fails: bool) -> str:
    import sys

    for stream in (sys.stdout, sys.stderr):
        print("\u4e2d" * (size // 2), file=stream)
    print("the end")
    if fails:
        raise Refused("after much")
    return "done"


def _chain(length: int) -> None:
    last: Exception | None = None
    for number in range(length):
        try:
            raise KeyError(number) from last
        except KeyError as error:
            last = error
    raise Refused("at last") from last


class Loaded(ValueError):
    """An exception of the project's own, with much in it."""


def _load(size: int, at: str) -> None:
    error = Loaded("x" * size if at == "message" else "short")
    if at == "attribute":
        error.data = b"x" * size  # type: ignore[attr-defined]
    if at == "cause":
        raise error from KeyError("x" * size)
    raise error


@remote(QUEUE)
def load(size: int, at: str) -> None:
    _load(size, at)


@remote(BALANCED, method="POST", path="/load")
async def load_balanced(size: int, at: str) -> None:
    _load(size, at)


@pytest.mark.parametrize("at", ["message", "attribute", "cause"])
@pytest.mark.parametrize("load", [load, load_balanced], ids=["queue", "balanced"])
def test_an_exception_that_holds_too_much_is_raised_with_what_can_be_sent(
    events: list[Event], load: Any, at: str
) -> None:
    with pytest.raises(Loaded, match="xxx" if at == "message" else "^short$") as caught:
        asyncio.run(load(15_000_000, at))
    assert caught.value.__cause__ is None
    assert output(events) == ""


@remote(QUEUE)
def speak(size: int, fails: bool) -> str:
    return _speak(size, fails)


@remote(QUEUE)
def chain(length: int) -> None:
    _chain(length)


@remote(QUEUE)
def speak_and_give(size: int) -> bytes:
    print("x" * 2_000_000)
    print("the end")
    return bytes(size)


@remote(QUEUE)
def nest(depth: int) -> None:
    error: Exception = ValueError("inner")
    for number in range(depth):
        error = GROUP(str(number), [error])
    raise error


@remote(QUEUE)
def give(size: int) -> bytes:
    return bytes(size)


@remote(BALANCED, method="POST", path="/speak")
async def speak_balanced(size: int, fails: bool) -> str:
    return _speak(size, fails)


@remote(BALANCED, method="POST", path="/chain")
async def chain_balanced(length: int) -> None:
    _chain(length)


KINDS = pytest.mark.parametrize(
    ("speak", "chain"),
    [(speak, chain), (speak_balanced, chain_balanced)],
    ids=["queue", "balanced"],
)


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Event]]:
    folder = tmp_path_factory.mktemp("project")
    (folder / "pyproject.toml").write_text("")
    events: list[Event] = []
    with emulated(folder, events.append) as session, registry.bound(session.calls):
        yield events


def output(events: list[Event]) -> str:
    return [each.stdout for each in events if isinstance(each, JobEnded)][-1]


@KINDS
def test_of_much_output_the_end_is_reported(events: list[Event], speak: Any, chain: Any) -> None:
    assert asyncio.run(speak(MUCH, False)) == "done"
    assert output(events).startswith("[…]")
    assert output(events).endswith("\u4e2d\nthe end\n")


@KINDS
def test_an_exception_behind_much_output_is_raised(
    events: list[Event], speak: Any, chain: Any
) -> None:
    with pytest.raises(Refused, match="after much"):
        asyncio.run(speak(MUCH, True))
    assert output(events).endswith("\u4e2d\nthe end\n")


@KINDS
def test_an_exception_with_3000_causes_is_raised_with_all_of_them(
    events: list[Event], speak: Any, chain: Any
) -> None:
    with pytest.raises(Refused, match="at last") as caught:
        asyncio.run(chain(3000))
    causes, cause = [], caught.value.__cause__
    while cause is not None:
        causes.append(cause.args)
        cause = cause.__cause__
    assert causes == [(number,) for number in reversed(range(3000))]


@pytest.mark.skipif(GROUP is None, reason="this Python has no exception groups")
def test_of_groups_that_are_nested_too_deeply_to_be_shown_the_outer_ones_are_raised(
    events: list[Event],
) -> None:
    with pytest.raises(GROUP, match="1999") as caught:
        asyncio.run(nest(2000))
    depth, error = 0, caught.value
    while isinstance(error, GROUP):
        depth, error = depth + 1, error.exceptions[0]
    assert depth == 101
    assert str(error) == "what is grouped more than 100 times is left out"


def test_output_makes_room_for_a_result(events: list[Event]) -> None:
    assert asyncio.run(speak_and_give(13_800_000)) == bytes(13_800_000)
    assert output(events).startswith("[…]")
    assert output(events).endswith("x\nthe end\n")


def test_a_result_that_is_too_large_is_called_so(events: list[Event]) -> None:
    with pytest.raises(JobFailedError, match=r"returned 26\.\d MB as sent") as caught:
        asyncio.run(give(20_000_000))
    assert not isinstance(caught.value, WorkerDiedError)
