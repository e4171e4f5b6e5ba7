"""Logs of workers: streams of events, and how few requests they may take."""

from __future__ import annotations

import asyncio
import json
import time

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flash.errors import RunpodApiError, RunpodConnectionError
from pytest_flash.runpod import LogClient, Pace
from pytest_flash.runpod.log_client import LOG_REQUESTS_PER_MINUTE, LogEntry
from pytest_flash.runpod.sse import EventReader, ServerEvent
from tests.runpod.scripted import Act, ScriptedServer, refuses, reset_midway, says, scripted

SUMMARY = {
    "running": 1,
    "idle": 1,
    "initializing": 0,
    "throttled": 0,
    "unhealthy": 0,
    "total": 2,
}


def events(*lines: tuple[str, str]) -> bytes:
    """Events with these ids and lines, as Runpod sends them."""
    parts = [
        f"id: {each}\ndata: {json.dumps({'line': line}, ensure_ascii=False)}\n\n"
        for each, line in lines
    ]
    return "".join(parts).encode()


def log(*lines: tuple[str, str]) -> Act:
    return says(events(*lines), kind="text/event-stream")


def workers(**status: str) -> Act:
    each = [
        {"id": name, "status": value, "gpuCount": 0, "isStale": False}
        for name, value in status.items()
    ]
    return says({"workers": each, "summary": SUMMARY, "endpointVersion": 1})


def followed(
    server: ScriptedServer, after: str = "", client: LogClient | None = None
) -> list[LogEntry]:
    async def main() -> list[LogEntry]:
        logs = client or LogClient(server.embedded)
        return [entry async for entry in logs.follow("ep/0", "w 1", after)]

    return asyncio.run(main())


def test_a_log_is_read_from_its_latest_lines_and_then_from_where_it_broke_off() -> None:
    with scripted() as server:
        server.plays(log(("t1/1", "one"), ("t2/2", "zwei \u2028 \x85")), log(("t3/3", "three")))
        assert followed(server) == [LogEntry("t1/1", "one"), LogEntry("t2/2", "zwei \u2028 \x85")]
        assert followed(server, "t2/2") == [LogEntry("t3/3", "three")]
        first, second = server.requests
    path = "/v2/serverless/ep%2F0/workers/w%201/logs?source=container"
    assert first.path == f"{path}&tail=5000"
    assert "last-event-id" not in first.headers
    assert second.path == path
    assert second.headers["last-event-id"] == "t2/2"


@pytest.mark.parametrize("data", ["", "[" * 100_000, "[]", "7", "{", '{"line": {}}'])
def test_an_event_that_is_no_line_ends_nothing(data: str) -> None:
    with scripted() as server:
        strange = f"id: t1\ndata: {data}\n\n".encode()
        server.plays(says(strange + events(("t2", "two")), kind="text/event-stream"))
        assert followed(server)[-1] == LogEntry("t2", "two")


@pytest.mark.parametrize("status", [401, 403, 404, 429])
def test_a_refusal_is_an_error(status: int) -> None:
    with scripted() as server:
        server.plays(refuses(status, Retry_After="7"))
        with pytest.raises(RunpodApiError) as caught:
            followed(server)
    assert caught.value.status == status
    assert caught.value.retry_after == (7 if status not in (401, 404) else None)


def test_a_stream_that_breaks_is_a_lost_connection() -> None:
    with scripted() as server:
        server.plays(reset_midway)
        with pytest.raises(RunpodConnectionError):
            followed(server)


def test_the_workers_that_run_are_found() -> None:
    with scripted() as server:
        server.plays(workers(w1="RUNNING", w2="IDLE", w3="RUNNING", w4="INITIALIZING"))
        assert asyncio.run(LogClient(server.embedded).running("ep0")) == ["w1", "w3"]
        assert server.requests[0].path == "/v2/serverless/ep0/workers"


def test_of_runpods_quota_logs_take_a_small_part() -> None:
    with scripted() as server:
        server.always = log()

        async def main() -> int:
            client = LogClient(server.live)
            with anyio.move_on_after(1):
                while True:
                    [_ async for _ in client.follow("ep0", "w1")]
            return len(server.requests)

        assert asyncio.run(main()) == LOG_REQUESTS_PER_MINUTE


def test_processes_share_the_part() -> None:
    with scripted() as server:
        server.always = log()

        async def main() -> int:
            client = LogClient(server.live, shared_by=4)
            with anyio.move_on_after(1):
                while True:
                    [_ async for _ in client.follow("ep0", "w1")]
            return len(server.requests)

        assert asyncio.run(main()) == LOG_REQUESTS_PER_MINUTE // 4


def test_a_used_up_quota_holds_up_the_management_client_too() -> None:
    pace = Pace(59, 62.0)
    with scripted() as server:
        server.plays(refuses(429, Retry_After="30"))
        with pytest.raises(RunpodApiError):
            followed(server, client=LogClient(server.live, pace=pace))
    assert 25 < pace.turn() <= 30


def test_a_request_waits_for_its_turn_and_blocks_nothing() -> None:
    pace = Pace(1, 0.5)
    assert pace.turn() == 0
    with scripted() as server:
        server.always = log()
        began = time.monotonic()
        followed(server, client=LogClient(server.live, pace=pace))
        assert time.monotonic() - began >= 0.45


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"))
LINES = st.text(st.characters(codec="utf-8"))


@given(
    lines=st.lists(st.tuples(NAMES, LINES)),
    ends=st.sampled_from([b"\n", b"\r\n"]),
    data=st.data(),
)
def test_events_are_read_however_they_are_cut(
    lines: list[tuple[str, str]], ends: bytes, data: st.DataObject
) -> None:
    stream = b": comment" + ends * 2 + events(*lines).replace(b"\n", ends) + b"event: x" + ends * 2
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader, found = EventReader(), list[ServerEvent]()
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += reader.feed(stream[begin:end])
    read = [(each.id.strip(" "), json.loads(each.data)["line"]) for each in found]
    assert read == [(name.strip(" "), line) for name, line in lines]


def test_lines_of_data_are_joined_and_an_id_holds_until_the_next() -> None:
    reader = EventReader()
    stream = b"id: 1\ndata: a\ndata:b\n\ndata: c\n\nid: 2\n\nid: no\0\ndata:  d\n\n"
    assert [*reader.feed(stream)] == [
        ServerEvent("1", "a\nb"),
        ServerEvent("1", "c"),
        ServerEvent("2", " d"),
    ]


def test_a_line_without_end_is_no_stream_of_events() -> None:
    reader = EventReader()
    for _ in range(4):
        assert [*reader.feed(b"x" * 2_000_000)] == []
    with pytest.raises(RunpodConnectionError):
        [*reader.feed(b"x")]
