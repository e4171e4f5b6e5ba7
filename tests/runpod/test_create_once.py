"""One endpoint for one create, whatever becomes of the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_flash.errors import RunpodApiError, RunpodConnectionError, RunpodError
from pytest_flash.http.messages import Timeouts
from pytest_flash.runpod import ManagementClient, Pace, RetryPolicy
from tests.runpod.scripted import (
    OWNER,
    Account,
    Act,
    FakeTime,
    ScriptedServer,
    half,
    page,
    refuses,
    reset,
    reset_midway,
    says,
    scripted,
    silence,
)

Connect = Callable[..., ManagementClient]

NAME, MARKER = "live-x", "shop/default"
REQUEST: dict[str, Any] = {
    "name": NAME,
    "type": "QUEUE",
    "image": "test/worker",
    "cpu": [{"id": "cpu3c", "vcpuCount": 2}],
    "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
    "env": {OWNER: MARKER, "A": "1"},
}
FOREIGN = [
    {**REQUEST, "env": {OWNER: "other/default"}},
    {**REQUEST, "env": {OWNER: "shop/other"}},
    {**REQUEST, "env": {}},
    {**REQUEST, "name": "live-y"},
]
# What a client sees when it cannot tell whether the server did as it was asked.
LOST: dict[str, Act] = {
    "reset": reset,
    "reset midway": reset_midway,
    "500": refuses(500),
    "502 page": page(502),
    "503 later": refuses(503, Retry_After="1"),
    "200 page": page(200),
    "half": half({"id": "ep999", "name": NAME, "timeout": 1}, 201),
    "no endpoint": says({"id": 3}, 201),
    "nothing": says(b"", 201),
}
EVERY_LOSS = pytest.mark.parametrize("act", LOST.values(), ids=LOST)


@EVERY_LOSS
def test_a_create_whose_answer_is_lost_is_found_again(
    server: ScriptedServer, account: Account, client: ManagementClient, act: Act, time: FakeTime
) -> None:
    for foreign in FOREIGN:
        account.add(foreign)
    server.plays(account.creates(act))
    made = client.create(REQUEST)
    assert account.named(NAME, MARKER) == [made.id]
    assert server.methods() == ["POST", "GET"]
    assert time.now <= 1  # As long as a server asked to wait.


@EVERY_LOSS
def test_a_create_that_did_nothing_is_repeated(
    server: ScriptedServer, account: Account, client: ManagementClient, act: Act
) -> None:
    for foreign in FOREIGN:
        account.add(foreign)
    server.plays(act)
    made = client.create(REQUEST)
    assert account.named(NAME, MARKER) == [made.id]
    assert server.methods().count("POST") == 2
    assert len(account.endpoints) == 1 + len(FOREIGN)


def test_a_create_that_is_never_answered_is_found_again(
    server: ScriptedServer, account: Account, connect: Connect
) -> None:
    server.plays(account.creates(silence))
    made = connect(timeout=Timeouts(0.2, 0.2)).create(REQUEST)
    assert account.named(NAME, MARKER) == [made.id]


@pytest.mark.parametrize("requests", [1, 2, 3, 4])
def test_a_create_that_takes_effect_late_is_waited_for(
    server: ScriptedServer,
    account: Account,
    client: ManagementClient,
    requests: int,
    time: FakeTime,
) -> None:
    server.plays(account.creates_late(requests, reset))
    made = client.create(REQUEST)
    assert account.named(NAME, MARKER) == [made.id]
    assert server.methods() == ["POST", *["GET"] * requests]
    assert time.now <= 5


def test_a_create_that_takes_effect_after_its_repetition_leaves_one_endpoint(
    server: ScriptedServer, account: Account, client: ManagementClient
) -> None:
    """The older one stays; the newer, of which nobody knows yet, goes."""
    looks = 5
    server.plays(account.creates_late(looks + 1, reset))
    made = client.create(REQUEST)
    assert account.named(NAME, MARKER) == [made.id]
    assert server.methods() == ["POST", *["GET"] * looks, "POST", "GET", "DELETE"]


def test_a_twin_that_cannot_be_deleted_is_named(
    server: ScriptedServer, account: Account, client: ManagementClient
) -> None:
    serve = [account.answer] * 5
    server.plays(account.creates_late(6, reset), *serve, account.answer, account.answer)
    server.script.append(refuses(403, "access denied"))
    with pytest.raises(
        RunpodConnectionError, match=r"created twice, as ep999 and ep998.*delete ep998"
    ):
        client.create(REQUEST)
    assert account.named(NAME, MARKER) == ["ep999", "ep998"]


def test_what_was_created_is_returned_though_twins_cannot_be_looked_for(
    server: ScriptedServer, account: Account, client: ManagementClient
) -> None:
    server.plays(reset, *[account.answer] * 6, refuses(403))
    made = client.create(REQUEST)
    assert account.named(NAME, MARKER) == [made.id]
    assert server.methods() == ["POST", *["GET"] * 5, "POST", "GET"]


@pytest.mark.parametrize("act", [refuses(429, Retry_After="2"), refuses(429)])
def test_a_create_that_was_turned_away_is_repeated_without_looking(
    server: ScriptedServer, account: Account, client: ManagementClient, act: Act
) -> None:
    server.plays(act, act)
    made = client.create(REQUEST)
    assert account.named(NAME, MARKER) == [made.id]
    assert server.methods() == ["POST"] * 3


def test_a_create_without_a_connection_is_repeated_without_looking(
    policy: RetryPolicy, time: FakeTime
) -> None:
    with scripted() as server:
        target = server.live
    with (
        ManagementClient(target, retry=policy) as client,
        pytest.raises(
            RunpodConnectionError, match=r"^POST .* \(tried 5 times in 7.5 s\)$"
        ) as caught,
    ):
        client.create(REQUEST)
    assert "GET" not in str(caught.value)
    assert time.slept == [0.5, 1, 2, 4]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refused_create_is_final(
    server: ScriptedServer, account: Account, client: ManagementClient, status: int
) -> None:
    server.plays(refuses(status))
    with pytest.raises(RunpodApiError) as caught:
        client.create(REQUEST)
    assert caught.value.status == status
    assert server.methods() == ["POST"]


def test_an_endpoint_that_existed_before_is_not_taken_for_the_new_one(
    server: ScriptedServer, account: Account, client: ManagementClient
) -> None:
    before = account.add(REQUEST)["id"]
    server.plays(reset)
    made = client.create(REQUEST, besides=[before])
    assert made.id != before
    assert account.named(NAME, MARKER) == [before, made.id]


@pytest.mark.parametrize("env", [{}, {"env": {}}, {"env": None}])
@EVERY_LOSS
def test_without_a_marker_nothing_is_created_twice(
    server: ScriptedServer, account: Account, client: ManagementClient, act: Act, env: Any
) -> None:
    request = {name: value for name, value in REQUEST.items() if name != "env"} | env
    server.plays(act)
    with pytest.raises(RunpodError):
        client.create(request)
    assert server.methods() == ["POST"]


def test_when_looking_fails_too_the_error_says_that_nothing_is_known(
    server: ScriptedServer, account: Account, client: ManagementClient
) -> None:
    server.plays(account.creates(reset), *[refuses(500, "on fire")] * 5)
    unknown = "POST .*whether endpoint 'live-x' was created is not known.*GET .*on fire"
    with pytest.raises(RunpodConnectionError, match=unknown):
        client.create(REQUEST)
    assert server.methods() == ["POST", *["GET"] * 5]


def test_the_last_attempt_is_looked_for_as_well(
    server: ScriptedServer, account: Account, connect: Connect, policy: RetryPolicy
) -> None:
    server.plays(account.creates(refuses(500)))
    made = connect(retry=replace(policy, attempts=1)).create(REQUEST)
    assert account.named(NAME, MARKER) == [made.id]


@dataclass(frozen=True)
class Fault:
    """What happens to one POST: the answer, and after how many requests it takes effect."""

    loss: str
    lands: int | None


faults = st.lists(
    st.builds(Fault, st.sampled_from(sorted(LOST)), st.one_of(st.none(), st.integers(0, 5))),
    max_size=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(faults=faults, foreign=st.lists(st.sampled_from(FOREIGN), max_size=3))
def test_whatever_is_lost_there_is_one_endpoint_or_an_error(
    server_of_module: ScriptedServer, faults: list[Fault], foreign: list[dict[str, Any]]
) -> None:
    server, account, time = server_of_module, Account(), FakeTime()
    waiting = iter(faults)
    for each in foreign:
        account.add(each)

    def act(exchange: Any) -> None:
        fault = next(waiting, None) if exchange.request_read.method == "POST" else None
        if fault is None:
            account.answer(exchange)
        elif fault.lands is None:
            LOST[fault.loss](exchange)
        elif fault.lands == 0:
            account.creates(LOST[fault.loss])(exchange)
        else:
            account.creates_late(fault.lands, LOST[fault.loss])(exchange)

    server.plays()
    server.always = act
    policy = RetryPolicy(clock=time.clock, sleep=time.sleep, jitter=lambda: 0.5)
    with ManagementClient(server.live, retry=policy, pace=Pace.unlimited()) as client:
        try:
            made = client.create(REQUEST)
        except RunpodError:
            assert [fault.lands for fault in faults[:5]] == [None] * 5
            assert account.named(NAME, MARKER) == []
        else:
            assert account.named(NAME, MARKER) == [made.id]
    assert len(account.endpoints) - len(account.named(NAME, MARKER)) == len(foreign)
    assert time.now <= 2 * policy.deadline


@pytest.fixture(scope="module")
def server_of_module() -> Iterator[ScriptedServer]:
    with scripted() as made:
        yield made


VOLUME = {"id": "v1", "name": "data", "size": 50, "dataCenter": "EU-RO-1", "type": "STANDARD"}


def test_a_volume_whose_answer_is_lost_is_found_again(
    server: ScriptedServer, client: ManagementClient
) -> None:
    others = [{**VOLUME, "id": "v2", "dataCenter": "US-KS-2"}, {**VOLUME, "id": "v3", "name": "d"}]
    server.plays(reset, says({"networkVolumes": [*others, VOLUME]}))
    assert client.create_network_volume("data", 50, "EU-RO-1").id == "v1"
    assert server.methods() == ["POST", "GET"]


def test_a_volume_that_was_not_created_is_asked_for_again(
    server: ScriptedServer, client: ManagementClient
) -> None:
    server.plays(reset, *[says({"networkVolumes": []})] * 5, says(VOLUME, 201))
    assert client.create_network_volume("data", 50, "EU-RO-1").id == "v1"
    assert server.methods() == ["POST", *["GET"] * 5, "POST"]
    assert server.requests[0].body == server.requests[-1].body


def test_a_create_that_somebody_else_sent_before_leaves_one_endpoint(
    server: ScriptedServer, account: Account, client: ManagementClient
) -> None:
    """It may take effect after this one's list: the older one stays."""
    account.add(REQUEST)
    (older,) = account.named(NAME, MARKER)
    made = client.create(REQUEST, again=True)
    assert made.id == older
    assert account.named(NAME, MARKER) == [older]
    assert server.methods() == ["POST", "GET", "DELETE"]
