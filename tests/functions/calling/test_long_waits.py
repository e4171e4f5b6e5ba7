"""A call that takes long to begin says what it waits for."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from pytest_flash import LiveServerless, remote
from pytest_flash.events import Event, Waiting
from pytest_flash.functions.calling.calls import RemoteCalls
from pytest_flash.functions.declaration.specs import FunctionSpec
from pytest_flash.runpod import Endpoint, QueueClient
from tests.functions.wire import completed
from tests.runpod.scripted import Exchange, says, scripted


@remote(LiveServerless(name="waits"))
def plain() -> int:
    return 7


@remote(LiveServerless(name="waits"), dependencies=["numpy", "torch"])
def heavy() -> int:
    return 7


@remote(LiveServerless(name="never", workersMax=0))
def never() -> int:
    return 7


async def find(spec: FunctionSpec, gone: Endpoint | None) -> Endpoint:
    return Endpoint(id="ep0", name="live-waits", timeout=60_000)


def told(
    functions: list[Any], jobs: dict[str, int], workers: dict[str, int], patience: float = 0.02
) -> list[str]:
    """What is reported while ``functions`` are called one after another; each job ends when
    somebody has asked for the endpoint's health, or has had the time to."""
    events: list[Event] = []
    asked = threading.Event()
    with scripted() as server:

        def answer(exchange: Exchange) -> None:
            if exchange.request_read.path.endswith("/health"):
                says({"jobs": jobs, "workers": workers})(exchange)
                asked.set()
            else:
                assert asked.wait(30)
                completed(7)(exchange)

        server.always = answer
        calls = RemoteCalls(
            QueueClient(server.embedded), find, on_event=events.append, patience=patience
        )

        async def main() -> None:
            for function in functions:
                await calls.call(function.spec, (), {})
                await asyncio.wait({*asyncio.all_tasks(), _nothing()} - {asyncio.current_task()})

        asyncio.run(main())
    return [each.text for each in events if isinstance(each, Waiting)]


def _nothing() -> asyncio.Task[None]:
    return asyncio.ensure_future(asyncio.sleep(0))


@pytest.mark.parametrize(
    ("function", "workers", "why"),
    [
        (never, {}, "its workersMax is 0, so there will be none"),
        (plain, {"initializing": 2}, "2 of them are starting"),
        (plain, {"throttled": 1}, "Runpod has no capacity for 1 of them now"),
        (plain, {"unhealthy": 1}, "1 of them is unhealthy"),
        (plain, {"running": 3}, "3 are busy, 5 jobs wait"),
        (plain, {}, "there is none yet; its hardware may be scarce"),
    ],
)
def test_a_job_in_the_queue(function: Any, workers: dict[str, int], why: str) -> None:
    (text,) = told([function], {"inQueue": 5}, workers)
    spec = function.spec
    begin = f"{spec.name} ({spec.location}) has waited 0.02 s for a worker of live-waits"
    assert text == f"{begin}: {why}"


def test_an_installation_is_told_once() -> None:
    found = told([heavy, heavy], {"inProgress": 1}, {"running": 1})
    assert len(found) == 1
    assert "for 0.02 s, which may be installing numpy, torch" in found[0]


def test_many_that_wait_for_one_endpoint_say_so_once() -> None:
    assert len(told([plain, plain, never], {"inQueue": 1}, {"throttled": 1})) == 1


def test_a_function_that_runs_is_left_alone() -> None:
    assert told([plain], {"inProgress": 1}, {"running": 1}) == []
