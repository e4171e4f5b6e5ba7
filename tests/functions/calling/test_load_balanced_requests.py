"""Calls on load-balancing endpoints, as requests and refusals on the wire."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_flash import CpuLiveLoadBalancer, remote
from pytest_flash.errors import (
    AuthenticationError,
    ConfigurationError,
    JobFailedError,
    JobTimedOutError,
    NoCapacityError,
    NotFoundError,
    OutcomeUnknownError,
    PayloadTooLargeError,
    RunpodConnectionError,
    WorkerDiedError,
)
from pytest_flash.events import Event, JobEnded, JobOutput, JobStarted
from pytest_flash.functions.calling.calls import RemoteCalls
from pytest_flash.functions.declaration.specs import FunctionSpec
from pytest_flash.runpod import Endpoint, LoadBalancerClient, QueueClient
from tests.functions.wire import answered
from tests.runpod.scripted import ScriptedServer, half, reset, says, scripted

LB = CpuLiveLoadBalancer(name="balanced", workersMax=1, scalerValue=100)


@remote(LB, method="POST", path="/work")
def work(text: str = "") -> int:
    return len(text)


WORKER: dict[str, Any] = {"X_Runpod_Worker_Id": "w1"}
DONE = answered(7, **WORKER)
BUSY = says({"error": "too many requests"}, 429, Retry_After="1")


class Wire:
    """Calls to a scripted server, which is every endpoint that is asked for."""

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        self.events: list[Event] = []
        self.gone: list[str] = []
        self.calls = RemoteCalls(
            QueueClient(server.embedded),
            self._find,
            on_event=self.events.append,
            balancer=LoadBalancerClient(server.embedded),
        )

    def call(self, *args: Any, function: Any = work) -> Any:
        return asyncio.run(self.calls.call(function.spec, args, {}))

    async def _find(self, _: FunctionSpec, gone: Endpoint | None) -> Endpoint:
        if gone is not None:
            self.gone.append(gone.id)
        base = f"{self.server.url}/lb/ep{len(self.gone)}"
        document = {"id": f"ep{len(self.gone)}", "name": "live-balanced", "timeout": 60_000}
        return Endpoint.model_validate({**document, "requestUrls": {"base": base}})


@pytest.fixture
def wire() -> Iterator[Wire]:
    with scripted() as server:
        yield Wire(server)


def test_a_call_is_one_request_with_the_bare_function_request(wire: Wire) -> None:
    wire.server.plays(DONE)
    assert wire.call("text") == 7
    (request,) = wire.server.requests
    assert (request.method, request.path) == ("POST", "/lb/ep0/execute")
    assert request.body["function_name"]
    assert request.body["execution_type"] == "function"
    assert "input" not in request.body


def test_a_call_is_reported_as_one_without_a_job(wire: Wire) -> None:
    wire.server.plays(answered(7, "said\n", **WORKER))
    wire.call()
    started, output, ended = wire.events
    assert isinstance(started, JobStarted)
    assert isinstance(output, JobOutput)
    assert isinstance(ended, JobEnded)
    assert (started.function, started.endpoint) == ("work", "live-balanced")
    assert (output.text, output.job_id, output.worker_id) == ("said\n", "", "w1")
    assert (ended.state, ended.job_id, ended.worker_id) == ("COMPLETED", None, "w1")
    assert (ended.cold, ended.stdout, ended.error) == (True, "said\n", None)


def test_an_endpoint_that_is_gone_is_made_again(wire: Wire) -> None:
    wire.server.plays(says({"error": "not found"}, 404), DONE)
    assert wire.call() == 7
    assert wire.gone == ["ep0"]
    assert [request.path for request in wire.server.requests] == [
        "/lb/ep0/execute",
        "/lb/ep1/execute",
    ]


def test_an_endpoint_that_is_gone_twice_is_given_up(wire: Wire) -> None:
    wire.server.plays(*[says({"error": "not found"}, 404)] * 2)
    with pytest.raises(NotFoundError):
        wire.call()


def test_a_call_that_is_put_off_is_sent_again_when_the_balancer_says(wire: Wire) -> None:
    wire.server.plays(BUSY, DONE)
    began = time.monotonic()
    assert wire.call() == 7
    assert time.monotonic() - began >= 1
    assert len(wire.server.requests) == 2


def test_a_429_of_the_worker_itself_is_not_sent_again(wire: Wire) -> None:
    wire.server.plays(says({"error": "too many requests"}, 429, Retry_After="1", **WORKER))
    with pytest.raises(JobFailedError, match="its worker answered 429"):
        wire.call()
    assert len(wire.server.requests) == 1


@pytest.mark.parametrize(
    ("status", "said", "kind", "match"),
    [
        (503, "no workers available", NoCapacityError, "Raise workersMax"),
        (400, "no workers available", NoCapacityError, "Raise workersMax"),
        (503, "no workers available: it exited with 3", NoCapacityError, "exited with 3$"),
        (502, "worker w1 was killed", WorkerDiedError, "worker w1 was killed.*may have run"),
        (504, "took longer than 330 s", JobTimedOutError, "5.5 minutes"),
        (413, "too large", PayloadTooLargeError, "too large"),
        (401, "invalid token", AuthenticationError, "invalid token"),
    ],
)
def test_a_refusal_of_the_balancer_says_what_to_do(
    wire: Wire, status: int, said: str, kind: type[Exception], match: str
) -> None:
    wire.server.plays(says({"error": said}, status))
    with pytest.raises(kind, match=match):
        wire.call()
    assert len(wire.server.requests) == 1
    ended = wire.events[-1]
    assert isinstance(ended, JobEnded)
    assert ended.state is None
    assert said in (ended.error or "")


@pytest.mark.parametrize("act", [reset, half({"success": True})])
def test_a_lost_connection_says_that_the_function_may_have_run(wire: Wire, act: Any) -> None:
    wire.server.plays(act)
    with pytest.raises(OutcomeUnknownError, match="may have run") as caught:
        wire.call()
    assert caught.value.endpoint_id == "ep0"
    assert len(wire.server.requests) == 1


def test_where_no_connection_is_made_nothing_has_run() -> None:
    with scripted() as server:
        wire = Wire(server)
    with pytest.raises(RunpodConnectionError):
        wire.call()


@pytest.mark.parametrize(
    ("act", "match"),
    [
        (says({"detail": "Not Found"}, 404, **WORKER), "its worker answered 404: .*Not Found"),
        (says(b"<html>", 200, "text/html", **WORKER), "is no FunctionResponse: '<html>'"),
        (says({"anything": 1}, **WORKER), "is no FunctionResponse"),
    ],
)
def test_an_image_that_is_not_a_flash_image_is_reported(wire: Wire, act: Any, match: str) -> None:
    wire.server.plays(act)
    with pytest.raises(JobFailedError, match=match):
        wire.call()


def test_a_function_that_the_worker_does_not_find(wire: Wire) -> None:
    wire.server.plays(says({"success": False, "result": "Function 'f' not found"}, **WORKER))
    with pytest.raises(JobFailedError, match="Function 'f' not found"):
        wire.call()


def test_more_than_30_mb_are_not_sent(wire: Wire) -> None:
    with pytest.raises(PayloadTooLargeError, match="Runpod takes 30 MB"):
        wire.call("x" * 30_000_000)
    assert wire.server.requests == []


def test_a_load_balancer_has_no_jobs_to_spawn(wire: Wire) -> None:
    with pytest.raises(ConfigurationError, match="'balanced' is a load balancer"):
        asyncio.run(wire.calls.spawn(work.spec, (), {}))
    assert wire.server.requests == []


# On the emulator
