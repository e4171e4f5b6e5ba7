"""The clients against servers that answer badly, and from many event loops."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import threading
import traceback
import weakref
from collections.abc import Callable
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
from pytest_flash.runpod import JobState, ManagementClient, QueueClient
from pytest_flash.runpod.models import Endpoint, many
from pytest_flash.runpod.queue import job_status
from pytest_flash.target import Target, embedded
from tests.runpod.scripted import KEY, PROBLEM, Act, ScriptedServer, half, reset, says


def management(target: Target) -> Any:
    with ManagementClient(target) as client:
        return client.endpoints()


def queue(target: Target) -> Any:
    return asyncio.run(QueueClient(target).status("ep", "job"))


BOTH = pytest.mark.parametrize("request_something", [management, queue])
Request = Callable[[Target], Any]


@BOTH
@pytest.mark.parametrize(
    ("status", "kind"), [(401, AuthenticationError), (404, NotFoundError), (500, RunpodApiError)]
)
def test_a_refusal_carries_what_the_server_said(
    server: ScriptedServer, request_something: Request, status: int, kind: type[RunpodApiError]
) -> None:
    problem = {"title": "No", "status": status, "detail": "because", "errors": ["$: x", "$: y"]}
    server.always = says(problem, status, PROBLEM)
    with pytest.raises(kind) as caught:
        request_something(server.embedded)
    error = caught.value
    assert (error.status, error.title, error.method) == (status, "No", "GET")
    assert error.detail == "because ($: x; $: y)"
    assert error.path in str(error)
    assert KEY not in str(error)


@BOTH
@pytest.mark.parametrize(
    "body", [b"<html>502 Bad Gateway</html>", b"", b'{"endpoints": [', b"\xff\xfe", b"[]", b"3"]
)
@pytest.mark.parametrize("status", [200, 502])
def test_an_answer_that_is_no_json_object_is_an_error(
    server: ScriptedServer, request_something: Request, body: bytes, status: int
) -> None:
    server.always = says(body, status, "text/html")
    with pytest.raises(RunpodError):
        request_something(server.embedded)


@BOTH
def test_half_a_body_is_a_connection_error(
    server: ScriptedServer, request_something: Request
) -> None:
    server.always = half({"endpoints": []})
    with pytest.raises(RunpodConnectionError, match="no answer"):
        request_something(server.embedded)


@pytest.mark.parametrize("act", [says(b"not gzip", Content_Encoding="gzip"), half({}), reset])
def test_a_damaged_answer_of_the_queue_is_a_connection_error_without_the_key(
    server: ScriptedServer, act: Act
) -> None:
    server.always = act
    with pytest.raises(RunpodConnectionError, match="no answer") as caught:
        queue(server.live)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert KEY not in "".join(shown.format())


@BOTH
def test_nobody_there_is_a_connection_error(request_something: Request) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(RunpodConnectionError, match=f"GET {url}"):
        request_something(embedded(url, url, KEY, "a test asked"))


@BOTH
def test_proxies_of_the_environment_do_not_apply_to_loopback(
    server: ScriptedServer, request_something: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    server.always = says({"endpoints": [], "id": "x", "status": "IN_QUEUE"})
    request_something(server.embedded)
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert server.requests[0].headers["user-agent"].startswith("pytest-flash/")


NOT_ADDRESSABLE: list[Any] = [
    None,
    3,
    [],
    {},
    {"id": "x"},
    {"name": "x"},
    {"id": 1, "name": "x", "timeout": 1},
    {"id": "x", "name": None},
    {"id": "", "name": "x"},
    {"id": "..", "name": "x"},
]


@pytest.mark.parametrize("answer", NOT_ADDRESSABLE)
def test_an_answer_that_is_no_endpoint_is_an_error(server: ScriptedServer, answer: Any) -> None:
    server.always = says(answer)
    with pytest.raises(RunpodConnectionError), ManagementClient(server.embedded) as client:
        client.endpoint("ep")


OURS = {"id": "ours", "name": "live-x", "timeout": 7, "env": {"PYTEST_FLASH_OWNER": "shop/default"}}


def test_what_others_made_never_hides_what_is_ours(server: ScriptedServer) -> None:
    odd: list[Any] = [None, {}, 3, "text", [], {"a": None}, {"a": 1, "PYTEST_FLASH_OWNER": 5}, -1.5]
    others = [{"id": f"a{n}", "name": "other", "env": each} for n, each in enumerate(odd)]
    others += [{"id": f"b{n}", "name": "other", "timeout": each} for n, each in enumerate(odd)]
    others += [{"id": f"c{n}", "name": "other", "document": each} for n, each in enumerate(odd)]
    others += [{"id": f"d{n}", "name": "other", "env": {"A": "b"}} for n in range(2)]
    server.always = says({"endpoints": [*NOT_ADDRESSABLE, *others, OURS]})
    found = management(server.embedded)
    assert [each.id for each in found] == ["x", "x", *(each["id"] for each in others), "ours"]
    assert found[-1].env == OURS["env"]
    assert found[-1].timeout == 7


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=5,
)
FIELDS = st.sampled_from(["id", "name", "env", "timeout", "workers", "gpu", "scaling", "createdAt"])


@given(st.lists(JSON | st.dictionaries(FIELDS, JSON), max_size=4))
def test_whatever_others_made(others: list[Any]) -> None:
    listed = [*others, OURS]
    found = many(Endpoint, {"endpoints": listed}, "endpoints", "GET")
    assert found[-1].env == OURS["env"]
    assert all(each.id and each.document() for each in found)


def test_a_name_in_another_encoding_hides_nothing(server: ScriptedServer) -> None:
    other = b'{"id": "other", "name": "caf\xe9"}'
    server.always = says(b'{"endpoints": [' + other + b", " + json.dumps(OURS).encode() + b"]}")
    assert [each.id for each in management(server.embedded)] == ["other", "ours"]


def test_volumes_and_prices_of_others_hide_nothing_either(server: ScriptedServer) -> None:
    ours = {"id": "v", "name": "models", "dataCenter": "EU-RO-1", "size": 10, "type": "STANDARD"}
    others: list[Any] = [None, {}, {**ours, "size": None}, {**ours, "dataCenter": None}]
    server.always = says({"networkVolumes": [*others, ours], "gpus": [None, {}]})
    with ManagementClient(server.embedded) as client:
        assert [each.size for each in client.network_volumes()] == [0, 10]
        with pytest.raises(RunpodConnectionError, match="all of 'gpus'"):
            client.gpus()


def test_one_queue_client_serves_many_loops_and_leaves_nothing_open(server: ScriptedServer) -> None:
    server.always = says({"id": "x", "status": "COMPLETED", "output": 1})
    client = QueueClient(server.embedded)

    async def several() -> None:
        await asyncio.gather(*(client.status("ep", "job") for _ in range(5)))

    for _ in range(3):
        asyncio.run(several())
    threads = [threading.Thread(target=asyncio.run, args=(several(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()  # An unclosed connection would warn here, and warnings are errors.
    assert len(server.requests) == 30


@given(
    st.dictionaries(
        st.sampled_from(["id", "status", "output", "error", "delayTime", "workerId"]),
        st.one_of(
            st.none(),
            st.text(),
            st.integers(),
            st.lists(st.integers()),
            st.sampled_from([state.value for state in JobState]),
        ),
    )
)
def test_any_body_is_a_job_or_a_connection_error(document: dict[str, Any]) -> None:
    try:
        job = job_status(document)
    except RunpodConnectionError:
        job_id = document.get("id")
        named = isinstance(job_id, str) and job_id not in ("", ".", "..")
        assert not named or document.get("status") not in list(JobState)
    else:
        assert job.state.value == document["status"]
        assert job.error is None or isinstance(job.error, str)


def test_a_client_lets_go_of_loops_that_ended(server: ScriptedServer) -> None:
    server.always = says({"id": "x", "status": "COMPLETED"})
    client = QueueClient(server.embedded)
    loops: list[weakref.ref[Any]] = []

    async def once() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await client.status("ep", "job")

    asyncio.run(once())
    gc.collect()
    assert loops[0]() is None


def test_a_client_that_nobody_holds_any_more_closes_its_connections(server: ScriptedServer) -> None:
    server.always = says({"id": "x", "status": "COMPLETED"})

    async def ask() -> None:
        await QueueClient(server.embedded).status("ep", "job")

    async def others_go_on() -> None:
        loop, errors = asyncio.get_running_loop(), []
        loop.set_exception_handler(lambda _, context: errors.append(context))
        await ask()
        gc.collect()
        # One turn begins the closing, the next ones carry it out.
        for _ in range(5):
            await asyncio.sleep(0)
        gc.collect()  # An unclosed connection would warn here, and warnings are errors.
        assert errors == []

    asyncio.run(others_go_on())


_DEEP = 400


@pytest.mark.parametrize(
    ("text", "output"),
    [
        (rb'"\ud800"', "\ud800"),
        (b"[" * _DEEP + b"]" * _DEEP, None),
        (b"12345678901234567890123", 12345678901234567890123),
        ("\u20ac".encode().join([b'"', b'"']), "\u20ac"),
    ],
    ids=["half a surrogate pair", "nested deeply", "large", "not ASCII"],
)
def test_whatever_python_reads_as_json_is_read(
    server: ScriptedServer, text: bytes, output: Any
) -> None:
    server.always = says(b'{"id": "x", "status": "COMPLETED", "output": %b}' % text)
    answer = queue(server.embedded).output
    assert answer == output if output is not None else isinstance(answer, list)
