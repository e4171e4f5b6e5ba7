"""A call's way over the wire: polls that fail, endpoints that vanish, callers that leave."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import cloudpickle
import pytest

from pytest_flash import LiveServerless, remote
from pytest_flash.errors import (
    JobCancelledError,
    JobFailedError,
    JobLostError,
    JobTimedOutError,
    NoCapacityError,
    NotFoundError,
    OutcomeUnknownError,
    PayloadTooLargeError,
    RemoteError,
    RunpodApiError,
    RunpodConnectionError,
    RunpodError,
    WorkerDiedError,
)
from pytest_flash.functions.calls import RemoteCalls
from pytest_flash.functions.registry import FunctionSpec
from pytest_flash.runpod import Endpoint, QueueClient
from pytest_flash.target import embedded
from tests.runpod.scripted import (
    Act,
    Exchange,
    ScriptedServer,
    half,
    refuses,
    reset,
    says,
    scripted,
)
from tests.support.environment import ROOT, clean_environment
from tests.support.processes import wait_until


@remote(LiveServerless(name="calls"))
def work(text: str = "") -> int:
    return len(text)


RESULT = {"success": True, "result": base64.b64encode(cloudpickle.dumps(7)).decode()}
RUNNING = says({"id": "job1", "status": "IN_PROGRESS"})
POLL = "/ep0/status/job1"
DONE = says({"id": "job1", "status": "COMPLETED", "output": RESULT})


class Endpoints:
    """Makes endpoint after endpoint, and remembers which were said to be gone."""

    def __init__(self) -> None:
        self.gone: list[str] = []

    async def find(self, _spec: FunctionSpec, gone: Endpoint | None) -> Endpoint:
        if gone is not None:
            self.gone.append(gone.id)
        return Endpoint(id=f"ep{len(self.gone)}", name="live-calls", timeout=60_000)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted() as made:
        yield made


@pytest.fixture
def endpoints() -> Endpoints:
    return Endpoints()


@pytest.fixture
def calls(server: ScriptedServer, endpoints: Endpoints) -> RemoteCalls:
    made = RemoteCalls(QueueClient(server.embedded), endpoints.find)
    made.shipping.call(work.spec, (), {})  # Tests with short time limits do not prepare anything.
    return made


def call(calls: RemoteCalls, *args: Any) -> Any:
    return asyncio.run(calls.call(work.spec, args, {}))


def paths(server: ScriptedServer) -> list[str]:
    return [request.path.partition("?")[0] for request in server.requests]


def cancelled(server: ScriptedServer) -> bool:
    return "/ep0/cancel/job1" in paths(server)


def test_a_warm_call_is_one_request(server: ScriptedServer, calls: RemoteCalls) -> None:
    server.plays(DONE)
    assert call(calls) == 7
    assert paths(server) == ["/ep0/runsync"]


@pytest.mark.parametrize(
    "fault",
    [
        refuses(429),
        refuses(500),
        refuses(502),
        reset,
        half({}),
        says(b"x", Content_Encoding="gzip"),
    ],
    ids=["429", "500", "502", "reset", "half", "damaged"],
)
def test_a_poll_that_fails_is_repeated_and_cancels_nothing(
    server: ScriptedServer, calls: RemoteCalls, fault: Act
) -> None:
    server.plays(RUNNING, fault, RUNNING, fault, DONE)
    assert call(calls) == 7
    assert paths(server) == ["/ep0/runsync"] + ["/ep0/status/job1"] * 4


@pytest.mark.parametrize(
    ("fault", "kind"), [(refuses(500), RunpodApiError), (reset, RunpodConnectionError)]
)
def test_an_outage_of_polls_ends_at_its_limit(
    server: ScriptedServer, endpoints: Endpoints, fault: Act, kind: type[Exception]
) -> None:
    server.plays(RUNNING)
    server.always = fault
    with pytest.raises(kind):
        call(RemoteCalls(QueueClient(server.embedded), endpoints.find, outage=0.3))
    assert len(server.requests) > 2


def test_a_refused_poll_is_told_at_once(server: ScriptedServer, calls: RemoteCalls) -> None:
    server.plays(RUNNING, refuses(401))
    with pytest.raises(RunpodApiError):
        call(calls)
    assert len(server.requests) == 2


def test_a_poll_waits_as_long_as_a_429_asks(server: ScriptedServer, calls: RemoteCalls) -> None:
    server.plays(RUNNING, refuses(429, Retry_After="1"), DONE)
    began = time.monotonic()
    assert call(calls) == 7
    assert time.monotonic() - began >= 1
    assert not cancelled(server)


def test_followers_of_many_jobs_share_the_requests_that_an_endpoint_takes(
    server: ScriptedServer, endpoints: Endpoints
) -> None:
    queue = QueueClient(server.embedded)
    queue.status_rate = 50
    calls = RemoteCalls(queue, endpoints.find)
    server.always = RUNNING

    async def follow() -> float:
        jobs = [asyncio.ensure_future(calls.call(work.spec, (), {})) for _ in range(40)]
        began = time.monotonic()
        await asyncio.to_thread(wait_until, lambda: paths(server).count(POLL) >= 80, 20, "polls")
        took, polls = time.monotonic() - began, paths(server).count(POLL)
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        assert polls <= 20 + took * 50 + 1
        return took

    assert asyncio.run(follow()) >= 1  # 40 jobs that are alone would be asked for 300 times


def test_a_server_that_is_away_for_five_seconds_loses_no_job(endpoints: Endpoints) -> None:
    before = ScriptedServer()
    before.always = RUNNING
    calls = RemoteCalls(QueueClient(before.embedded), endpoints.find)

    async def away() -> Any:
        task = asyncio.ensure_future(calls.call(work.spec, (), {}))
        try:
            await asyncio.to_thread(
                wait_until, lambda: "/ep0/status/job1" in paths(before), 10, "a poll"
            )
        finally:
            before.always = reset  # Closing leaves connections alone that are kept alive.
            await asyncio.to_thread(before.close)
        await asyncio.sleep(5)  # What is under test takes this long.
        assert not task.done()
        after = ScriptedServer(before.port)
        after.always = DONE
        try:
            assert await asyncio.wait_for(task, 20) == 7
        finally:
            await asyncio.to_thread(after.close)
        assert set(paths(after)) == {"/ep0/status/job1"}

    asyncio.run(away())
    assert not cancelled(before)


@pytest.mark.parametrize(
    "fault",
    [reset, half({}), refuses(500), refuses(502), refuses(504)],
    ids=["reset", "half", "500", "502", "504"],
)
@pytest.mark.parametrize("way", ["call", "spawn"])
def test_a_submission_without_an_answer_may_have_run_and_is_not_sent_again(
    server: ScriptedServer, calls: RemoteCalls, fault: Act, way: str
) -> None:
    server.plays(fault)
    with pytest.raises(OutcomeUnknownError, match="may have run, or may run now") as caught:
        asyncio.run(getattr(calls, way)(work.spec, (), {}))
    assert isinstance(caught.value, RunpodError)
    assert caught.value.endpoint_id == "ep0"
    assert len(server.requests) == 1


def test_a_server_that_is_not_there_has_run_nothing(endpoints: Endpoints) -> None:
    with scripted() as server:
        url = server.url
    calls = RemoteCalls(QueueClient(embedded(url, url, "key", "a test asked")), endpoints.find)
    with pytest.raises(RunpodConnectionError):
        call(calls)


def test_a_submission_that_is_put_off_is_sent_again(
    server: ScriptedServer, calls: RemoteCalls
) -> None:
    server.plays(refuses(429, Retry_After="1"), DONE)
    began = time.monotonic()
    assert call(calls) == 7
    assert time.monotonic() - began >= 1
    assert paths(server) == ["/ep0/runsync"] * 2


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        ({"status": "TIMED_OUT", "executionTime": 60_000, "workerId": "w1"}, JobTimedOutError,
         "exceeded its limit .60 s of running.. Raise executionTimeoutMs"),
        ({"status": "TIMED_OUT"}, NoCapacityError, "no worker took job job1 in time"),
        ({"status": "CANCELLED"}, JobCancelledError, "job1 was cancelled"),
        ({"status": "FAILED", "error": "worker w1 was killed by SIGKILL"}, WorkerDiedError,
         "was killed by SIGKILL"),
        ({"status": "FAILED", "error": json.dumps({"error_type": "X", "error_message": "m"})},
         JobFailedError, "error_message"),
    ],
)  # fmt: skip
def test_a_terminal_state_ends_the_call(
    server: ScriptedServer,
    calls: RemoteCalls,
    status: dict[str, Any],
    kind: type[RemoteError],
    message: str,
) -> None:
    server.plays(RUNNING, RUNNING, says({"id": "job1", **status}))
    with pytest.raises(kind, match=message) as caught:
        call(calls)
    assert type(caught.value) is kind
    assert (caught.value.job_id, caught.value.endpoint_id) == ("job1", "ep0")
    assert not cancelled(server)


def test_a_job_that_expired_names_function_job_and_endpoint(
    server: ScriptedServer, calls: RemoteCalls
) -> None:
    server.plays(RUNNING, refuses(404))
    with pytest.raises(
        JobLostError, match=r"work \(.*job1 is unknown to endpoint live-calls"
    ) as caught:
        call(calls)
    assert (caught.value.job_id, caught.value.endpoint_id) == ("job1", "ep0")


def test_an_endpoint_that_is_gone_is_made_again_once(
    server: ScriptedServer, calls: RemoteCalls, endpoints: Endpoints
) -> None:
    server.plays(refuses(404), DONE)
    assert call(calls) == 7
    assert paths(server) == ["/ep0/runsync", "/ep1/runsync"]
    assert endpoints.gone == ["ep0"]


def test_an_endpoint_that_is_gone_twice_is_an_error(
    server: ScriptedServer, calls: RemoteCalls
) -> None:
    server.always = refuses(404)
    with pytest.raises(NotFoundError):
        call(calls)
    assert paths(server) == ["/ep0/runsync", "/ep1/runsync"]


def test_arguments_above_20_mb_are_not_sent(server: ScriptedServer, calls: RemoteCalls) -> None:
    with pytest.raises(PayloadTooLargeError, match=r"work \(.* 20\.\d MB as sent.*takes 20 MB"):
        call(calls, "x" * 15_000_000)
    assert server.requests == []


@pytest.mark.parametrize("output", [None, 3, {"hello": 1}, {"success": "yes"}])
def test_an_answer_of_another_image_says_whose_it_is(
    server: ScriptedServer, calls: RemoteCalls, output: Any
) -> None:
    server.plays(says({"id": "job1", "status": "COMPLETED", "output": output, "workerId": "w1"}))
    with pytest.raises(RemoteError, match="must be a Flash worker image") as caught:
        call(calls)
    for part in ("work (", "live-calls", "job1"):
        assert part in str(caught.value)
    assert (caught.value.job_id, caught.value.endpoint_id) == ("job1", "ep0")
    assert caught.value.worker_id == "w1"


@pytest.mark.parametrize("output", [None, {"success": "no"}, {"success": False, "stdout": [1]}])
def test_a_strange_output_hides_no_failure(
    server: ScriptedServer, calls: RemoteCalls, output: Any
) -> None:
    server.plays(says({"id": "job1", "status": "FAILED", "error": "the reason", "output": output}))
    with pytest.raises(JobFailedError, match="the reason"):
        call(calls)


@pytest.mark.parametrize("times", [1, 3])
def test_a_call_cancelled_between_polls_returns_with_its_job_cancelled(
    server: ScriptedServer, calls: RemoteCalls, times: int
) -> None:
    server.always = RUNNING

    async def interrupted() -> None:
        task = asyncio.ensure_future(calls.call(work.spec, (), {}))
        await asyncio.to_thread(
            wait_until, lambda: "/ep0/status/job1" in paths(server), 10, "a poll"
        )
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert cancelled(server)

    asyncio.run(asyncio.wait_for(interrupted(), 10))


def test_a_cancel_scope_that_ends_cancels_the_job(
    server: ScriptedServer, calls: RemoteCalls
) -> None:
    server.always = RUNNING

    async def limited() -> None:
        with anyio.move_on_after(0.2):
            await calls.call(work.spec, (), {})
        assert cancelled(server)

    asyncio.run(limited())


def test_a_caller_is_not_held_by_a_cancellation_without_answer(
    server: ScriptedServer, calls: RemoteCalls
) -> None:
    def answer(exchange: Exchange) -> None:
        if "/cancel/" in exchange.path:
            exchange.server.owner.closing.wait(20)
        RUNNING(exchange)

    server.always = answer

    async def held() -> float:
        began = anyio.current_time()
        with anyio.move_on_after(0.2):
            await calls.call(work.spec, (), {})
        return anyio.current_time() - began

    assert 2 <= asyncio.run(held()) < 5


def test_a_call_cancelled_before_its_job_has_a_name_cancels_it_later(
    server: ScriptedServer, calls: RemoteCalls
) -> None:
    def late(exchange: Exchange) -> None:
        exchange.server.owner.closing.wait(0.3)
        RUNNING(exchange)

    server.plays(late)
    server.always = RUNNING

    async def interrupted() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(calls.call(work.spec, (), {}), 0.1)
        assert not cancelled(server)
        await asyncio.to_thread(wait_until, lambda: cancelled(server), 10, "the cancellation")

    asyncio.run(asyncio.wait_for(interrupted(), 10))


SCRIPT = """\
import asyncio, sys
from pytest_flash import LiveServerless, remote
from pytest_flash.functions.calls import RemoteCalls
from pytest_flash.runpod import Endpoint, QueueClient
from pytest_flash.target import embedded
from pytest_flash.target import embedded

@remote(LiveServerless(name="calls"))
def work():
    pass

async def find(spec, gone):
    return Endpoint(id="ep0", name="live-calls", timeout=60_000)

async def main():
    url = sys.argv[1]
    calls = RemoteCalls(QueueClient(embedded(url, url, "key", "a test asked")), find)
    {main}

asyncio.run(main())
"""


@pytest.mark.parametrize(
    "main",
    [
        "await calls.call(work.spec, (), {})",
        # A task that nobody awaits meets the loop's end, as a server's request handlers do.
        "task = asyncio.ensure_future(calls.call(work.spec, (), {})); await asyncio.sleep(60)",
    ],
    ids=["awaited", "in a task"],
)
def test_ctrl_c_between_polls_cancels_the_job(
    server: ScriptedServer, tmp_path: Path, main: str
) -> None:
    server.always = RUNNING
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.replace("{main}", main))
    with subprocess.Popen(
        [sys.executable, str(script), server.url],
        cwd=ROOT,
        env=clean_environment(),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            wait_until(lambda: "/ep0/status/job1" in paths(server), 20, "a poll")
            process.send_signal(signal.SIGINT)
            errors = process.communicate(timeout=10)[1]
        finally:
            process.kill()
    assert cancelled(server)
    assert "KeyboardInterrupt" in errors
