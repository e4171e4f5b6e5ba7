"""What is reported of calls while they run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pytest_flash import LiveServerless, remote
from pytest_flash.errors import RunpodApiError
from pytest_flash.events import Event, JobEnded, JobNamed, JobOutput, JobStarted
from pytest_flash.functions.calling.calls import RemoteCalls
from pytest_flash.functions.declaration.specs import FunctionSpec
from pytest_flash.runpod import Endpoint, QueueClient
from tests.functions.wire import completed
from tests.runpod.scripted import ScriptedServer, refuses, says, scripted


@remote(LiveServerless(name="reports"))
def work(*values: Any, **named: Any) -> None: ...


async def find(_spec: FunctionSpec, _gone: Endpoint | None) -> Endpoint:
    return Endpoint(id="ep0", name="live-reports", timeout=60_000)


def job(state: str, **more: Any) -> Any:
    return says({"id": "job1", "status": state, **more})


def reported(server: ScriptedServer, calls: int = 1) -> list[Event]:
    events: list[Event] = []
    remote_calls = RemoteCalls(QueueClient(server.embedded), find, on_event=events.append)

    async def run() -> None:
        for _ in range(calls):
            await remote_calls.call(work.spec, (), {})

    asyncio.run(run())
    return events


def test_a_call_is_reported_from_its_start_to_its_end() -> None:
    done = completed(None, "hello\n", delayTime=3, executionTime=4, workerId="w1")
    with scripted() as server:
        server.plays(job("IN_PROGRESS"), done, done)
        started, named, output, ended, *second = reported(server, calls=2)
    assert started == JobStarted(1, "work", work.spec.location, "live-reports", "ep0")
    assert named == JobNamed(1, "job1")
    assert isinstance(output, JobOutput)
    assert (output.text, output.job_id, output.worker_id) == ("hello\n", "job1", "w1")
    assert isinstance(ended, JobEnded)
    assert (ended.call, ended.job_id, ended.state) == (1, "job1", "COMPLETED")
    assert (ended.delay_time, ended.execution_time, ended.worker_id) == (3, 4, "w1")
    assert (ended.cold, ended.stdout, ended.error) == (True, "hello\n", None)
    # A warm call names its job with its end; its worker was met before.
    assert [type(each) for each in second] == [JobStarted, JobOutput, JobEnded]
    assert isinstance(second[-1], JobEnded)
    assert second[-1].cold is False


def test_a_call_without_an_answer_is_reported_as_ended_without_a_state() -> None:
    events: list[Event] = []
    with scripted() as server:
        server.plays(refuses(400))
        calls = RemoteCalls(QueueClient(server.embedded), find, on_event=events.append)
        with pytest.raises(RunpodApiError):
            asyncio.run(calls.call(work.spec, (), {}))
    ended = events[-1]
    assert isinstance(ended, JobEnded)
    assert (ended.state, ended.job_id) == (None, None)
    assert ended.error is not None
    assert "400" in ended.error


def test_values_are_reported_where_they_are_recorded_and_can_be_sent_again() -> None:
    done = completed([1, 2])
    events: list[Event] = []
    with scripted() as server:
        server.plays(done, done)
        calls = RemoteCalls(
            QueueClient(server.embedded), find, on_event=events.append, record_values=True
        )
        assert asyncio.run(calls.call(work.spec, (), {"text": "x"})) == [1, 2]
        started, ended = events
        assert isinstance(started, JobStarted)
        assert isinstance(ended, JobEnded)
        assert (started.input, ended.output) == ("text='x'", "[1, 2]")
        assert started.arguments is not None
        asyncio.run(calls.repeat(work.spec, started.arguments, started.input))
        first, second = (request.body for request in server.requests)
    given, again = first["input"]["args"], second["input"]["args"]
    assert given[:2] == again[:2]
    assert given[2] != again[2]  # Each call has a secret of its own.


def test_large_arguments_are_not_kept() -> None:
    done = completed(None)
    events: list[Event] = []
    with scripted() as server:
        server.plays(done)
        calls = RemoteCalls(
            QueueClient(server.embedded), find, on_event=events.append, record_values=True
        )
        asyncio.run(calls.call(work.spec, (b"x" * 100_000,), {}))
    started = events[0]
    assert isinstance(started, JobStarted)
    assert started.arguments is None
    assert started.input is not None
    assert "(100,000 bytes)" in started.input
