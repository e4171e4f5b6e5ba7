"""The API key is in no error, however it came about."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from pytest_flash.errors import FlashError, RunpodError, SettingsError
from pytest_flash.http.messages import Timeouts
from pytest_flash.runpod import ManagementClient, QueueClient
from pytest_flash.target import Target, TargetKind
from tests.runpod.scripted import (
    KEY,
    OWNER,
    Act,
    Exchange,
    ScriptedServer,
    half,
    page,
    refuses,
    reset,
    reset_midway,
    says,
    silence,
)

Connect = Callable[..., ManagementClient]

REQUEST = {"name": "live-x", "env": {OWNER: "shop/default"}}
CALLS: dict[str, Callable[[ManagementClient], object]] = {
    "endpoints": lambda client: client.endpoints(),
    "create": lambda client: client.create(REQUEST),
    "update": lambda client: client.update("ep", {}),
    "delete": lambda client: client.delete("ep"),
    "workers": lambda client: client.workers("ep"),
    "gpus": lambda client: client.gpus(),
}


def echoes(status: int, kind: str) -> Act:
    """Quote the request's headers in the answer, as debug pages do."""

    def echo(exchange: Exchange) -> None:
        sent = exchange.request_read.headers["authorization"]
        if kind == "text/html":
            body: Any = f"<pre>{'x' * 180}{sent}</pre>".encode()
        else:
            body = {"title": sent, "status": status, "detail": sent, "errors": [sent]}
        says(body, status, kind)(exchange)

    return echo


def raw(text: str) -> Act:
    """Quote them in an answer that is none, or a poor one."""

    def answer(exchange: Exchange) -> None:
        sent = exchange.request_read.headers["authorization"]
        exchange.wfile.write(text.format(sent=sent, key=KEY).encode())
        exchange.close_connection = True

    return answer


FAULTS: dict[str, Act] = {
    "reason phrase": raw("HTTP/1.1 500 {sent}\r\nContent-Length: 0\r\n\r\n"),
    "reason phrase of a page": raw("HTTP/1.1 403 {key}\r\nContent-Length: 2\r\n\r\nno"),
    "long reason phrase": raw("HTTP/1.1 401 " + "x" * 490 + "{key}\r\nContent-Length: 0\r\n\r\n"),
    "no status line": raw("HTTP/9 {sent}\r\n\r\n"),
    "no header": raw("HTTP/1.1 200 OK\r\n{sent} \0\r\n\r\n"),
    "no length": raw("HTTP/1.1 200 OK\r\nContent-Length: {key}\r\n\r\n"),
    "no chunk": raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{key}\r\n"),
    "401 echo": echoes(401, "application/problem+json"),
    "401 page echo": echoes(401, "text/html"),
    "400 echo": echoes(400, "application/problem+json"),
    "500 page echo": echoes(500, "text/html"),
    "200 page echo": echoes(200, "text/html"),
    "200 echo": echoes(200, "application/json"),
    "429": refuses(429),
    "403": refuses(403),
    "page": page(),
    "half": half({"endpoints": []}),
    "reset": reset,
    "reset midway": reset_midway,
    "silence": silence,
    "bad encoding": says(b"not gzip", Content_Encoding="gzip"),
}


def everything(error: BaseException, *, frames: bool = True) -> str:
    """All that a traceback can show of ``error``: its chain, and each frame's variables."""
    seen: list[str] = []
    pending: list[BaseException | None] = [error]
    while pending:
        each = pending.pop()
        if each is None:
            continue
        shown = traceback.TracebackException.from_exception(each, capture_locals=frames)
        seen += [*shown.format(), repr(each), repr(each.args), repr(vars(each))]
        pending += [each.__cause__, each.__context__]
    return "\n".join(seen)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("fault", FAULTS)
def test_no_error_shows_the_key(
    server: ScriptedServer, connect: Connect, fault: str, call: str
) -> None:
    server.always = FAULTS[fault]
    client = connect(timeout=Timeouts(5.0, 0.1 if fault == "silence" else 5.0))
    with pytest.raises(RunpodError) as caught:
        CALLS[call](client)
    # A document is shown by no error, but it is what it is.
    assert KEY not in everything(caught.value, frames=fault != "200 echo")


@pytest.mark.parametrize("fault", [*FAULTS, "job", "failed job"])
def test_no_error_of_a_job_shows_the_key(server: ScriptedServer, fault: str) -> None:
    failed = {"id": "x", "status": "FAILED", "error": {"message": f"Bearer {KEY}"}}
    more = {"job": says({"id": KEY, "status": KEY}), "failed job": says(failed)}
    server.always = {**FAULTS, **more, "silence": reset}[fault]
    client = QueueClient(server.live)
    if fault == "failed job":
        assert KEY not in repr(asyncio.run(client.status("ep", "job")))
        return
    with pytest.raises(RunpodError) as caught:
        asyncio.run(client.status("ep", "job"))
    assert KEY not in everything(caught.value, frames=False)


def test_no_error_of_a_lost_connection_shows_the_key(connect: Connect, server: Any) -> None:
    client = connect()
    server.close()
    with pytest.raises(RunpodError) as caught:
        client.create(REQUEST)
    assert KEY not in everything(caught.value)


def test_the_quoted_key_is_marked_not_cut(server: ScriptedServer, client: ManagementClient) -> None:
    server.always = echoes(400, "application/problem+json")
    with pytest.raises(RunpodError, match=r"Bearer \[the API key\]") as caught:
        client.endpoints()
    assert KEY[:6] not in str(caught.value)


@pytest.mark.parametrize(
    "key", ["", f"{KEY}\n", f"{KEY}\r\nX: y", f" {KEY}", f"{KEY}é", f"{KEY}\0", f'{KEY} "']
)
def test_a_key_that_no_header_carries_is_refused_without_showing_it(key: str) -> None:
    target = Target(TargetKind.LIVE, "http://127.0.0.1:9", "http://127.0.0.1:9", key, "a test")
    with pytest.raises(SettingsError, match=r"the API key from /app/\.env is empty") as caught:
        ManagementClient(target, key_source="/app/.env")
    shown = traceback.format_exception(caught.value)
    assert KEY not in "".join(shown)
    assert KEY not in repr(target)
    assert isinstance(caught.value, FlashError)


def test_clients_do_not_show_the_key(server: ScriptedServer, client: ManagementClient) -> None:
    for each in (client, client._api, client._api._client, QueueClient(server.live), server.live):
        assert KEY not in repr(each)
