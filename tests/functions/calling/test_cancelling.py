"""Callers that are cancelled, and what becomes of their jobs."""

from __future__ import annotations

import asyncio
import itertools
import signal
import subprocess
import sys
import threading
from pathlib import Path

import anyio
import pytest

from pytest_flash.functions.calling.calls import RemoteCalls
from tests.functions.wire import POLL, RUNNING, cancelled, paths, work
from tests.runpod.scripted import Act, Exchange, ScriptedServer, refuses
from tests.support.environment import ROOT, clean_environment
from tests.support.system.processes import wait_until


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


@pytest.mark.parametrize("refusal", [refuses(429), refuses(502)], ids=["429", "502"])
@pytest.mark.parametrize("named", [True, False])
def test_a_cancellation_that_is_refused_for_now_is_sent_again(
    server: ScriptedServer, calls: RemoteCalls, refusal: Act, named: bool
) -> None:
    arrived, asked = threading.Event(), itertools.count()

    def answer(exchange: Exchange) -> None:
        if "/cancel/" in exchange.path and next(asked) < 2:
            refusal(exchange)
            return
        if not named and "/runsync" in exchange.path:
            arrived.set()
            exchange.server.owner.closing.wait(0.3)
        RUNNING(exchange)

    server.always = answer

    async def interrupted() -> None:
        task = asyncio.ensure_future(calls.call(work.spec, (), {}))
        ready = (lambda: POLL in paths(server)) if named else arrived.is_set
        await asyncio.to_thread(wait_until, ready, 10, "the job")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        sent = lambda: paths(server).count("/ep0/cancel/job1") == 3  # noqa: E731
        await asyncio.to_thread(wait_until, sent, 10, "three cancellations")

    asyncio.run(asyncio.wait_for(interrupted(), 20))


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

    assert 2 <= asyncio.run(held()) < 20


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
from pytest_flash.functions.calling.calls import RemoteCalls
from pytest_flash.runpod import Endpoint, QueueClient
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
