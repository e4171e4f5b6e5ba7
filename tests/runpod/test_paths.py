"""Ids that a server gave stay what they are in the paths of requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_flash.errors import RunpodConnectionError, RunpodError
from pytest_flash.runpod import LogClient, ManagementClient, QueueClient
from pytest_flash.target import Target
from tests.runpod.scripted import ScriptedServer, says, scripted

Ask = Callable[[Target, str], object]

JOB = {"id": "job", "status": "COMPLETED"}
WORKERS = {
    "workers": [],
    "summary": dict.fromkeys(
        ["running", "idle", "initializing", "throttled", "unhealthy", "total"], 0
    ),
}
ENDPOINT = {"id": "ep", "name": "live-x", **WORKERS}


def of_an_account(method: str) -> Ask:
    def ask(target: Target, given: str) -> object:
        with ManagementClient(target) as client:
            return getattr(client, method)(given)

    return ask


def of_a_queue(method: str, *rest: Any, endpoint: str | None = None, **options: Any) -> Ask:
    """``given`` is the endpoint, or with ``endpoint`` what follows it."""

    def ask(target: Target, given: str) -> object:
        ids = (given,) if endpoint is None else (endpoint, given)
        return asyncio.run(getattr(QueueClient(target), method)(*ids, *rest, **options))

    return ask


async def _lines(target: Target, endpoint: str, worker: str) -> list[object]:
    return [each async for each in LogClient(target).follow(endpoint, worker)]


# Each with the path in which the id stands, and what is answered.
CASES: dict[str, tuple[Ask, str, Any]] = {
    "endpoint": (of_an_account("endpoint"), "/v2/serverless/{}", ENDPOINT),
    "workers": (of_an_account("workers"), "/v2/serverless/{}/workers", ENDPOINT),
    "run": (of_a_queue("run", b"{}"), "/{}/run", JOB),
    "runsync": (of_a_queue("runsync", b"{}", wait=1), "/{}/runsync?wait=1000", JOB),
    "health": (of_a_queue("health"), "/{}/health", JOB),
    "status": (of_a_queue("status", endpoint="ep"), "/ep/status/{}", JOB),
    "cancel": (of_a_queue("cancel", endpoint="ep"), "/ep/cancel/{}", JOB),
    "running": (
        lambda target, given: asyncio.run(LogClient(target).running(given)),
        "/v2/serverless/{}/workers",
        ENDPOINT,
    ),
    "logs": (
        lambda target, given: asyncio.run(_lines(target, "ep", given)),
        "/v2/serverless/ep/workers/{}/logs?source=container&tail=5000",
        "",
    ),
}
EVERY = pytest.mark.parametrize("case", CASES)


@pytest.fixture(scope="module")
def shared() -> Iterator[ScriptedServer]:
    with scripted() as server:
        yield server


@EVERY
@settings(max_examples=25, deadline=None)
@given(given_id=st.text(min_size=1, max_size=8) | st.sampled_from(["..", "a/../b", "a?b#c", "%2e"]))
def test_an_id_never_leads_to_another_path(
    shared: ScriptedServer, case: str, given_id: str
) -> None:
    ask, path, answer = CASES[case]
    shared.always = says(answer)
    shared.plays()
    before, _, after = path.partition("{}")
    try:
        ask(shared.embedded, given_id)
    except RunpodError:
        # One that no path can hold: nothing was asked.
        assert given_id in (".", "..") or not _is_encodable(given_id)
        assert shared.requests == []
        return
    (request,) = shared.requests
    assert request.path.startswith(before)
    assert request.path.endswith(after)
    part = request.path[len(before) : len(request.path) - len(after)]
    assert unquote(part) == given_id
    assert not set(part) & set("?#/\\ ")


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@EVERY
@pytest.mark.parametrize("given_id", ["", ".", "..", "\ud800"])
def test_what_cannot_be_an_id_is_called_so(
    shared: ScriptedServer, case: str, given_id: str
) -> None:
    shared.plays()
    with pytest.raises(RunpodError, match=r"is not the id of an? (endpoint|job|worker)"):
        CASES[case][0](shared.embedded, given_id)
    assert shared.requests == []


@pytest.mark.parametrize("given_id", ["", ".", "..", "\ud800", None, 5, ["a"], NotImplemented])
def test_a_job_without_an_id_is_no_job(shared: ScriptedServer, given_id: object) -> None:
    named = {} if given_id is NotImplemented else {"id": given_id}
    shared.always = says({"status": "COMPLETED", **named})
    shared.plays()
    with pytest.raises(RunpodConnectionError, match="not a job"):
        asyncio.run(QueueClient(shared.embedded).run("ep", b"{}"))
