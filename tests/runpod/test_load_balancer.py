"""The client of load balancers: where the key goes, and what an answer means."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pytest_flash.errors import (
    AuthenticationError,
    NotFoundError,
    RunpodApiError,
    RunpodConnectionError,
    SettingsError,
)
from pytest_flash.runpod import BalancerResponse, Endpoint, LoadBalancerClient
from pytest_flash.target import Target
from tests.runpod.scripted import KEY, ScriptedServer, half, reset, says, scripted

WORKER: dict[str, Any] = {"X_Runpod_Worker_Id": "w1"}


def endpoint(base: str | None) -> Endpoint:
    urls: dict[str, Any] = {} if base is None else {"base": base, "health": f"{base}/ping"}
    document = {"id": "e1", "name": "live-lb", "timeout": 1000, "requestUrls": urls}
    return Endpoint.model_validate(document)


def execute(target: Target, base: str | None, payload: bytes = b"{}") -> BalancerResponse:
    async def send() -> BalancerResponse:
        client = LoadBalancerClient(target)
        try:
            return await client.execute(endpoint(base), payload)
        finally:
            await client.aclose()

    return asyncio.run(send())


def test_a_request_goes_to_execute_with_the_key(server: ScriptedServer) -> None:
    server.plays(says({"success": True}, **WORKER))
    answer = execute(server.embedded, f"{server.url}/lb/e1/", b'{"function_name": "f"}')
    assert answer == BalancerResponse(200, "w1", {"success": True})
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/lb/e1/execute")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["content-type"] == "application/json"
    assert request.body == {"function_name": "f"}


def test_no_other_host_is_asked(server: ScriptedServer) -> None:
    with scripted() as foreign:
        for target in (server.live, server.embedded):
            with pytest.raises(SettingsError, match="API key is not sent there"):
                execute(target, foreign.url)
        assert foreign.requests == []
    assert server.requests == []


def test_a_redirection_is_not_followed(server: ScriptedServer) -> None:
    with scripted() as foreign:
        server.plays(says({}, 307, Location=f"{foreign.url}/execute"))
        with pytest.raises(RunpodApiError, match="307"):
            execute(server.live, server.url)
        assert foreign.requests == []


@pytest.mark.parametrize("status", [200, 404, 422, 500])
def test_whatever_a_worker_answers_is_an_answer(server: ScriptedServer, status: int) -> None:
    server.plays(says(b"not found here", status, "text/plain", **WORKER))
    assert execute(server.live, server.url) == BalancerResponse(status, "w1", "not found here")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, AuthenticationError), (404, NotFoundError), (503, RunpodApiError)],
)
def test_a_refusal_of_the_balancer_is_an_error(
    server: ScriptedServer, status: int, kind: type[RunpodApiError]
) -> None:
    server.plays(says({"error": "no workers available"}, status))
    with pytest.raises(kind, match="no workers available") as caught:
        execute(server.live, server.url)
    assert caught.value.status == status
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("act", [reset, half({"success": True})])
def test_a_lost_connection_may_have_reached_the_worker(server: ScriptedServer, act: Any) -> None:
    server.plays(act)
    with pytest.raises(RunpodConnectionError) as caught:
        execute(server.live, server.url)
    assert caught.value.reached
    assert len(server.requests) == 1


def test_a_refused_connection_reached_nobody() -> None:
    with scripted() as gone:
        target, base = gone.live, gone.url
    with pytest.raises(RunpodConnectionError) as caught:
        execute(target, base)
    assert not caught.value.reached


def test_an_endpoint_without_an_address_is_told_of(server: ScriptedServer) -> None:
    with pytest.raises(RunpodConnectionError, match=r"live-lb \(e1\) has no requestUrls.base"):
        execute(server.live, None)
