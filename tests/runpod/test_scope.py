"""The scope header goes to the embedded Runpod, and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from pytest_flash.runpod import ManagementClient, QueueClient
from pytest_flash.scope import SCOPE_HEADER, RequestScope
from pytest_flash.settings import API_KEY, MANAGEMENT_URL, QUEUE_URL, Environment
from pytest_flash.target import Target, embedded, open_live
from tests.runpod.scripted import KEY, ScriptedServer, says

HEADER = SCOPE_HEADER.lower()


def ask(target: Target) -> None:
    """Send a request of every kind that carries headers of its own."""

    async def queue() -> None:
        client = QueueClient(target)
        await client.runsync("ep1", b'{"input": {"a": 1}}', wait=1)
        await client.status("ep1", "job")
        await client.aclose()

    with ManagementClient(target) as client:
        client.endpoints()
        client.delete("ep1")
    asyncio.run(queue())


def sent(server: ScriptedServer, ask_now: Callable[[], None]) -> list[str | None]:
    server.requests.clear()
    job = {"id": "job", "status": "COMPLETED"}
    server.plays(says({"endpoints": []}), says(None, 204), says(job), says(job))
    ask_now()
    assert len(server.requests) == 4
    return [request.headers.get(HEADER) for request in server.requests]


def test_requests_to_the_embedded_runpod_carry_the_scope_of_the_moment(
    server: ScriptedServer,
) -> None:
    target = embedded(server.url, f"{server.url}/queue/v2", KEY, "test")
    assert target.scope is not None
    assert sent(server, lambda: ask(target)) == [None] * 4
    target.scope.name = "mine"
    assert sent(server, lambda: ask(target)) == ["mine"] * 4
    target.scope.name = None
    assert sent(server, lambda: ask(target)) == [None] * 4


def test_requests_to_a_live_target_never_do(server: ScriptedServer) -> None:
    environment = Environment(
        {API_KEY: KEY, MANAGEMENT_URL: server.url, QUEUE_URL: f"{server.url}/queue/v2"}
    )
    target = open_live(environment, reason="test", granted=True)
    assert sent(server, lambda: ask(target)) == [None] * 4


def test_a_live_target_can_have_no_scope(server: ScriptedServer) -> None:
    with pytest.raises(ValueError, match="a live target has none"):
        replace(server.live, scope=RequestScope("mine"))
