"""Requests that may be repeated, against a server that fails before it answers."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flash.errors import (
    AuthenticationError,
    NotFoundError,
    RunpodApiError,
    RunpodConnectionError,
    RunpodError,
)
from pytest_flash.http.messages import Timeouts
from pytest_flash.runpod import ManagementClient, Pace, RetryPolicy
from pytest_flash.runpod.retry import EMBEDDED
from pytest_flash.target import Target, TargetKind
from tests.runpod.scripted import (
    KEY,
    Act,
    FakeTime,
    ScriptedServer,
    elapsed,
    half,
    page,
    refuses,
    reset,
    reset_midway,
    says,
    scripted,
    silence,
    trickle,
    trickle_headers,
)

Connect = Callable[..., ManagementClient]

ENDPOINT = {"id": "ep", "name": "live-x", "timeout": 300000}
DONE: dict[str, Act] = {
    "GET": says({**ENDPOINT, "endpoints": []}),
    "PATCH": says(ENDPOINT),
    "DELETE": says(b"", 204),
}
PASSING = [
    refuses(500),
    refuses(502),
    refuses(503, Retry_After="2"),
    refuses(429, Retry_After="3"),
    page(503),
    page(200),
    half(ENDPOINT),
    half(ENDPOINT, 500),
    reset,
    reset_midway,
    says(b"\xff\xfe"),
    says(b"[" * 100_000),
    says(b'{"n": ' + b"9" * 5000 + b"}"),
    says(b"not gzip", Content_Encoding="gzip"),
]

# Failures with the seconds that they ask to wait.
FAILURES = [
    (refuses(429, Retry_After="3"), 3),
    (refuses(429, Retry_After="50"), 50),
    (refuses(503, Retry_After="2"), 2),
    (refuses(500), 0),
    (page(502), 0),
    (half(ENDPOINT), 0),
    (reset, 0),
    (reset_midway, 0),
]


def send(client: ManagementClient, method: str) -> Any:
    if method == "GET":
        return client.endpoint("ep")
    if method == "PATCH":
        return client.update("ep", {"timeout": 1})
    return client.delete("ep")


METHODS = pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])


@METHODS
@pytest.mark.parametrize("act", PASSING)
def test_a_passing_failure_is_survived(
    server: ScriptedServer, client: ManagementClient, method: str, act: Act
) -> None:
    server.plays(act, act, DONE[method])
    assert send(client, method)
    assert server.methods() == [method] * 3


def test_a_silent_server_is_given_up_on_and_asked_again(
    server: ScriptedServer, connect: Connect
) -> None:
    server.always = DONE["GET"]
    server.plays(silence, silence)
    client = connect(timeout=Timeouts(0.2, 0.2))
    assert elapsed(client.endpoints) < 30
    assert len(server.requests) == 3


@METHODS
@pytest.mark.parametrize("status", [302, 400, 401, 403, 405, 422])
def test_a_refusal_is_final(
    server: ScriptedServer, client: ManagementClient, method: str, status: int, time: FakeTime
) -> None:
    server.always = refuses(status)
    with pytest.raises(RunpodApiError) as caught:
        send(client, method)
    assert (caught.value.status, caught.value.detail) == (status, "because")
    assert (caught.value.method, caught.value.path) == (method, "/v2/serverless/ep")
    assert len(server.requests) == 1
    assert time.slept == []


def test_pauses_double_up_to_the_cap_and_attempts_end(
    server: ScriptedServer, connect: Connect, policy: RetryPolicy, time: FakeTime
) -> None:
    server.always = refuses(500, "on fire")
    with pytest.raises(RunpodApiError, match="500 No 500: on fire"):
        connect(retry=replace(policy, attempts=7)).endpoints()
    assert time.slept == [0.5, 1, 2, 4, 8, 8]
    assert len(server.requests) == 7


def test_jitter_is_full(server: ScriptedServer, connect: Connect, policy: RetryPolicy) -> None:
    server.always = refuses(500)
    draws = iter([0.0, 0.5, 0.25, 0.75, 0.0])
    slept: list[float] = []
    retry = replace(policy, jitter=lambda: next(draws), sleep=slept.append)
    with pytest.raises(RunpodApiError):
        connect(retry=retry, pace=Pace.unlimited()).endpoints()
    assert slept == [0, 0.5, 0.5, 3]


def test_a_429_storm_is_waited_out_as_told(
    server: ScriptedServer, connect: Connect, time: FakeTime, policy: RetryPolicy
) -> None:
    server.always = DONE["GET"]
    server.plays(*[refuses(429, Retry_After="12")] * 3)
    assert connect(pace=Pace.unlimited()).endpoints() == []
    assert time.slept == [12.5, 13, 14]  # As told, and what the backoff adds.


def test_one_callers_429_holds_back_the_others(
    server: ScriptedServer, connect: Connect, time: FakeTime, policy: RetryPolicy
) -> None:
    server.always = DONE["GET"]
    server.plays(refuses(429, Retry_After="30"))
    pace = Pace(clock=time.clock, sleep=time.sleep)
    with pytest.raises(RunpodApiError):
        connect(pace=pace, retry=replace(policy, attempts=1)).endpoints()
    assert time.now == 0
    connect(pace=pace).endpoints()
    assert time.now == pytest.approx(30)


@pytest.mark.parametrize(
    ("header", "requests"),
    [("61", 1), ("3600", 1), ("999999999", 1), ("0", 5), ("60", 2), ("soon", 5), ("-1", 5)],
)
def test_retry_after_is_capped_and_read_only_as_seconds(
    server: ScriptedServer, client: ManagementClient, header: str, requests: int, time: FakeTime
) -> None:
    server.always = refuses(429, Retry_After=header)
    with pytest.raises(RunpodApiError) as caught:
        client.endpoints()
    assert caught.value.status == 429
    assert len(server.requests) == requests
    assert time.now <= 120
    assert ("retry after" in caught.value.detail) is header.isdecimal()


@given(
    failures=st.lists(st.sampled_from(FAILURES), max_size=8),
    attempts=st.integers(1, 6),
    allowed=st.floats(1, 200),
)
def test_attempts_and_deadline_are_kept_whatever_fails(
    busy: ScriptedServer, failures: list[tuple[Act, int]], attempts: int, allowed: float
) -> None:
    time = FakeTime()
    policy = RetryPolicy(
        attempts=attempts, deadline=allowed, clock=time.clock, sleep=time.sleep, jitter=lambda: 1.0
    )
    expected: list[float] = []
    for number, (_, asked) in enumerate(failures):
        pause = asked + min(8.0, 0.5 * 2**number)
        if number + 1 == attempts or sum(expected) + pause >= allowed:
            break
        expected.append(pause)
    survives = len(expected) == len(failures)

    busy.always = DONE["GET"]
    busy.plays(*(act for act, _ in failures))
    with ManagementClient(busy.live, retry=policy) as client:
        if survives:
            assert client.endpoints() == []
        else:
            with pytest.raises(RunpodError):
                client.endpoints()
    assert time.slept == expected
    assert time.now < allowed
    assert len(busy.requests) == len(expected) + 1


@pytest.fixture(scope="module")
def busy() -> Iterator[ScriptedServer]:
    with scripted() as made:
        yield made


@pytest.mark.parametrize("act", [trickle, trickle_headers])
def test_an_answer_that_never_ends_is_cut_off_at_the_deadline(
    server: ScriptedServer, connect: Connect, act: Act
) -> None:
    server.always = act
    client = connect(retry=RetryPolicy(deadline=0.5))

    def ask() -> None:
        with pytest.raises(RunpodConnectionError, match="took too long"):
            client.endpoints()

    assert elapsed(ask) < 30


def test_the_deadline_ends_a_longer_wait_for_an_answer(
    server: ScriptedServer, connect: Connect
) -> None:
    server.always = silence
    client = connect(retry=RetryPolicy(deadline=0.5), timeout=Timeouts(15.0, 15.0))

    def ask() -> None:
        with pytest.raises(RunpodConnectionError, match="timed out"):
            client.endpoints()

    assert elapsed(ask) < 30


@pytest.mark.parametrize("kind", TargetKind)
def test_nobody_there_is_said_with_the_number_of_tries(
    kind: TargetKind, policy: RetryPolicy, time: FakeTime
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    target = Target(kind, url, url, KEY, "a test asked")
    with (
        ManagementClient(target, retry=policy) as client,
        pytest.raises(RunpodConnectionError, match=f"GET {url}/.* no answer: .*tried 5 times in 7"),
    ):
        client.endpoints()
    assert time.slept == [0.5, 1, 2, 4]


def test_an_emulator_that_stopped_is_noticed_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    target = Target(TargetKind.EMULATOR, url, url, KEY, "a test asked")

    def ask() -> None:
        with ManagementClient(target) as client, pytest.raises(RunpodConnectionError):
            client.endpoints()

    assert elapsed(ask) < 30
    assert sum(EMBEDDED.base * 2**n for n in range(EMBEDDED.attempts - 1)) < 0.5


def test_deleting_what_is_gone_says_so(server: ScriptedServer, client: ManagementClient) -> None:
    server.always = refuses(404)
    assert client.delete("ep") is False
    assert server.methods() == ["DELETE"]


@pytest.mark.parametrize("act", [refuses(502), reset, half({}), page(200)])
def test_a_repeated_delete_that_finds_nothing_has_succeeded(
    server: ScriptedServer, client: ManagementClient, act: Act
) -> None:
    server.plays(act, refuses(404))
    assert client.delete("ep") is True


def test_a_delete_that_was_turned_away_has_not_deleted_what_is_gone(
    server: ScriptedServer, client: ManagementClient
) -> None:
    server.plays(refuses(429), refuses(404))
    assert client.delete("ep") is False


def test_a_proxys_page_is_no_proof_of_deletion(
    server: ScriptedServer, client: ManagementClient
) -> None:
    server.always = page(200)
    with pytest.raises(RunpodConnectionError, match="expected no content, got '<html>"):
        client.delete("ep")


@METHODS
def test_what_is_not_there_is_not_asked_for_again(
    server: ScriptedServer, client: ManagementClient, method: str
) -> None:
    server.always = refuses(404)
    if method == "DELETE":
        assert send(client, method) is False
    else:
        with pytest.raises(NotFoundError):
            send(client, method)
    assert len(server.requests) == 1


@pytest.mark.parametrize("source", ["environment", "/app/.env", None])
def test_a_refused_key_is_traced_to_its_source(
    server: ScriptedServer, connect: Connect, source: str | None
) -> None:
    server.always = refuses(401, "missing bearer token")
    with pytest.raises(AuthenticationError) as caught:
        connect(key_source=source).endpoints()
    named = f"the API key from {source} was refused" if source else "the API key was refused"
    assert named in str(caught.value)
    assert named in caught.value.hint
    assert "GET /v2/serverless: 401 No 401: missing bearer token; " in str(caught.value)
    assert caught.value.detail == "missing bearer token"


def test_a_key_that_may_not_is_told_from_one_that_is_wrong(
    server: ScriptedServer, connect: Connect
) -> None:
    server.always = refuses(403, "access denied")
    with pytest.raises(RunpodApiError) as caught:
        connect(key_source="/app/.env").endpoints()
    said = "403 No 403: access denied; the API key from /app/.env may not do this; check its perm"
    assert said in str(caught.value)
