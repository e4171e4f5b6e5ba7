"""A call's way over the wire: polls that fail, endpoints that vanish, callers that leave."""

from __future__ import annotations

import asyncio
import base64
import json
import pickle
import resource
import socket
import time
from pathlib import Path
from typing import Any

import pytest

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
from pytest_flash.functions.calling.calls import RemoteCalls
from pytest_flash.functions.onworker.entry_point import ANSWER
from pytest_flash.functions.onworker.signing import Signer
from pytest_flash.runpod import QueueClient
from pytest_flash.target import embedded
from tests.functions.output.forged_output import code
from tests.functions.wire import (
    DONE,
    POLL,
    RUNNING,
    Endpoints,
    cancelled,
    completed,
    paths,
    signer_of,
    work,
)
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
from tests.support.system.processes import wait_until


def call(calls: RemoteCalls, *args: Any) -> Any:
    return asyncio.run(calls.call(work.spec, args, {}))


def test_a_warm_call_is_one_request(server: ScriptedServer, calls: RemoteCalls) -> None:
    server.plays(DONE)
    assert call(calls) == 7
    assert paths(server) == ["/ep0/runsync"]


def test_a_call_that_could_not_be_sent_is_sent_again(
    server: ScriptedServer, calls: RemoteCalls
) -> None:
    server.plays(DONE, DONE)
    assert call(calls) == 7  # The next call reads no file.
    files = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def with_no_file_to_be_had() -> Any:
        loop = asyncio.get_running_loop()
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, files[1]))
        loop.call_later(0.2, resource.setrlimit, resource.RLIMIT_NOFILE, files)
        return await calls.call(work.spec, (), {})

    try:
        assert asyncio.run(with_no_file_to_be_had()) == 7
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, files)
    assert paths(server) == ["/ep0/runsync"] * 2


def test_a_call_that_is_refused_a_connection_fails_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # It does not listen.
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        target = embedded(url, url, "key", "a test asked")
        calls = RemoteCalls(QueueClient(target), Endpoints().find)
        began = time.monotonic()
        with pytest.raises(RunpodConnectionError):
            call(calls)
        assert time.monotonic() - began < 10


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


def test_a_refused_poll_is_reported_at_once(server: ScriptedServer, calls: RemoteCalls) -> None:
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
        after.always = completed(7, submitted_to=before)
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
        ({"status": "TIMED_OUT", "executionTime": 0, "workerId": ""}, NoCapacityError,
         "no worker took job job1 in time"),
        ({"status": "CANCELLED"}, JobCancelledError, "job1 was cancelled"),
        ({"status": "FAILED", "error": "worker w1 was killed by SIGKILL"}, WorkerDiedError,
         "was killed by SIGKILL"),
        ({"status": "FAILED", "error": json.dumps({"error_type": "X", "error_message": "m"})},
         JobFailedError, "error_message"),
        ({"status": "FAILED", "error": "the worker's result was refused: the payload is larger"},
         JobFailedError, "more than can be sent"),
        ({"status": "FAILED", "error": "worker w1 asked for another job without a result for this "
          "one; its log may say why"}, JobFailedError, "its log may say why"),
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


def unsigned(form: str, request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A success whose result makes ``folder`` if it is unpickled."""
    hostile = base64.b64decode(code(folder))
    signer = Signer(b"of another call") if form == "of another call" else signer_of(request)
    signature = {
        "no signature": None,
        "another signature": signer.sign("output"),
    }.get(form, signer.sign(ANSWER))
    answer: Any = (ANSWER, signature, ("", "", 0), hostile)
    if form == "another form":
        answer = answer[:3]
    data = hostile if form == "the value itself" else pickle.dumps(answer)
    if form == "half":
        data = data[:-20]
    result = None if form == "nothing" else base64.b64encode(data).decode()
    if form == "no base64":
        result = "é"
    return {"success": True, "result": result, "stdout": "said"}


@pytest.mark.parametrize(
    "form",
    [
        *("the value itself", "no signature", "another signature", "of another call"),
        *("another form", "half", "nothing", "no base64"),
    ],
)
def test_a_result_that_the_calls_own_code_did_not_make_is_not_unpickled(
    server: ScriptedServer, calls: RemoteCalls, form: str, tmp_path: Path
) -> None:
    def act(exchange: Exchange) -> None:
        request = exchange.request_read.body["input"]
        output = unsigned(form, request, tmp_path / "made")
        says({"id": "job1", "status": "COMPLETED", "output": output})(exchange)

    server.plays(act)
    with pytest.raises(JobFailedError, match="not written by the code that was sent") as caught:
        call(calls)
    assert caught.value.stdout == "said"
    assert not (tmp_path / "made").exists()


def test_a_platforms_text_is_not_taken_for_an_exception(
    server: ScriptedServer, calls: RemoteCalls
) -> None:
    printed = "Traceback (most recent call last):\nKeyError: 'x'"
    for text in (f"worker w1 exited with code 3; its last output:\n{printed}", "[" * 100_000):
        server.plays(says({"id": "job1", "status": "FAILED", "error": text}))
        with pytest.raises(WorkerDiedError) as caught:
            call(calls)
        assert type(caught.value) is WorkerDiedError


@pytest.mark.parametrize("output", [None, {"success": "no"}, {"success": False, "stdout": [1]}])
def test_a_strange_output_hides_no_failure(
    server: ScriptedServer, calls: RemoteCalls, output: Any
) -> None:
    server.plays(says({"id": "job1", "status": "FAILED", "error": "the reason", "output": output}))
    with pytest.raises(JobFailedError, match="the reason"):
        call(calls)
