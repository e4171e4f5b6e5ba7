"""A call that takes long to begin says what it waits for."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from pytest_flash import LiveLoadBalancer, LiveServerless, remote
from pytest_flash.events import Event, Waiting
from pytest_flash.functions.calling.calls import RemoteCalls
from pytest_flash.functions.declaration.specs import FunctionSpec
from pytest_flash.runpod import Endpoint, LoadBalancerClient, QueueClient
from tests.functions.wire import answered, completed
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


@remote(LiveLoadBalancer(name="balanced"), method="POST", path="/work")
def balanced() -> int:
    return 7


@remote(
    LiveLoadBalancer(name="balanced"), method="POST", path="/numpy", dependencies=["numpy", "torch"]
)
def balanced_heavy() -> int:
    return 7


@remote(LiveLoadBalancer(name="none", workersMax=0), method="POST", path="/work")
def balanced_never() -> int:
    return 7


async def find(spec: FunctionSpec, gone: Endpoint | None) -> Endpoint:
    return Endpoint(id="ep0", name="live-waits", timeout=60_000)


def reported(
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
    (text,) = reported([function], {"inQueue": 5}, workers)
    spec = function.spec
    begin = f"{spec.name} ({spec.location}) has waited 0.02 s for a worker of live-waits"
    assert text == f"{begin}: {why}"


def test_an_installation_is_reported_once() -> None:
    found = reported([heavy, heavy], {"inProgress": 1}, {"running": 1})
    assert len(found) == 1
    assert "for 0.02 s, which may be installing numpy, torch" in found[0]


def test_many_that_wait_for_one_endpoint_say_so_once() -> None:
    assert len(reported([plain, plain, never], {"inQueue": 1}, {"throttled": 1})) == 1


def test_a_function_that_runs_is_left_alone() -> None:
    assert reported([plain], {"inProgress": 1}, {"running": 1}) == []


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (balanced, "one may be starting"),
        (balanced_heavy, "one may be starting, or installing numpy, torch"),
        (balanced_never, "its workersMax is 0, so there will be none"),
    ],
)
def test_a_request_to_a_load_balancer(function: Any, why: str) -> None:
    """It is told of once, and a worker that has answered is left alone."""
    events: list[Event] = []
    said = threading.Event()

    def hear(event: Event) -> None:
        events.append(event)
        if isinstance(event, Waiting):
            said.set()

    with scripted() as server:

        def answer(exchange: Exchange) -> None:
            assert said.wait(30)
            answered(7, X_Runpod_Worker_Id="w1")(exchange)

        server.always = answer
        target = server.embedded
        base = f"{server.url}/lb/ep0"

        async def find(spec: FunctionSpec, gone: Endpoint | None) -> Endpoint:
            return Endpoint(
                id="ep0", name="live-balanced", timeout=60_000, requestUrls={"base": base}
            )

        calls = RemoteCalls(
            QueueClient(target),
            find,
            on_event=hear,
            balancer=LoadBalancerClient(target),
            patience=0.02,
        )

        async def main() -> None:
            for _ in range(2):
                assert await calls.call(function.spec, (), {}) == 7

        asyncio.run(main())
    spec = function.spec
    (text,) = (each.text for each in events if isinstance(each, Waiting))
    begin = f"{spec.name} ({spec.location}) has waited 0.02 s for a worker of live-balanced"
    assert text == f"{begin}: {why}"
