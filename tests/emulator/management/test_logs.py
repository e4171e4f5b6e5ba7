"""Worker logs as Server-Sent Events."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flash.emulator.management.log_stream import _moment
from pytest_flash.emulator.processes.worker_logs import LogLine, LogStart, WorkerLogs
from pytest_flash.emulator.processes.worker_process import LogTail
from pytest_flash.emulator.server.http_errors import HttpError
from pytest_flash.functions.onworker.log_marks import Piece, marked
from pytest_flash.functions.onworker.signing import Signer
from tests.emulator.harness import Emulator, StartEmulator


@dataclass(frozen=True)
class Event:
    id: str
    ts: str
    source: str
    line: str


@contextmanager
def stream(
    emulator: Emulator, endpoint: str, worker: str, last: str | None = None, **query: Any
) -> Iterator[tuple[httpx.Response, Iterator[Event]]]:
    path = f"/v2/serverless/{endpoint}/workers/{worker}/logs"
    headers = {} if last is None else {"Last-Event-ID": last}
    with emulator.management.stream("GET", path, params=query, headers=headers) as response:
        assert response.status_code == 200, response.read()
        yield response, _events(response)


def _events(response: httpx.Response) -> Iterator[Event]:
    lines = response.iter_lines()
    for line in lines:
        assert line.startswith("id: ")
        data = next(lines)
        assert data.startswith("data: ")
        yield Event(line.removeprefix("id: "), **json.loads(data.removeprefix("data: ")))
        assert next(lines) == ""


def ended_worker(emulator: Emulator, *texts: str, **environment: str) -> tuple[str, str]:
    """An endpoint, and a worker of it that printed ``texts`` and died."""
    endpoint = emulator.create(env=environment)
    done = emulator.call(endpoint, do="print and exit", text="\n".join(texts), code=3)
    return endpoint, done["workerId"]


def read(emulator: Emulator, endpoint: str, worker: str, **options: Any) -> list[Event]:
    with stream(emulator, endpoint, worker, **options) as (_, events):
        return [*events]


def printed(emulator: Emulator, endpoint: str, worker: str, **options: Any) -> list[str]:
    return [event.line for event in read(emulator, endpoint, worker, **options)]


def test_the_log_of_a_dead_worker_stays(emulator: Emulator) -> None:
    endpoint, worker = ended_worker(emulator, "one", "zwei ä")
    assert printed(emulator, endpoint, worker, source="container") == ["one", "zwei ä"]
    system = printed(emulator, endpoint, worker, source="system")
    assert system[0].startswith(f"worker {worker} started (process ")
    assert system[1:] == [f"worker {worker} is ready", f"worker {worker} exited with code 3"]
    both = read(emulator, endpoint, worker)
    assert {event.source for event in both} == {"container", "system"}
    assert sorted(both, key=lambda event: event.ts) == both
    assert len({event.id for event in both}) == len(both) == 5
    for event in both:
        datetime.fromisoformat(event.ts.replace("Z", "+00:00"))


def test_of_a_very_long_line_the_end_is_kept() -> None:
    log = WorkerLogs(lambda: 0.0).open("w1")
    log.add("container", "x" * 100_000 + "the end")

    async def lines() -> list[LogLine]:
        return [line async for line in log.follow(None, LogStart())]

    log.close()
    (line,) = asyncio.run(lines())
    assert line.text.endswith("xthe end")
    assert len(line.text) == 65_536


def test_marks_are_left_out_of_the_last_lines_of_a_worker_whatever_they_carry() -> None:
    tail = LogTail()
    tail.add(b"one\r\n\ntwo\xe2\x80\xa8three\n")
    for mark in marked(Piece("0123abcd", 0, "four\u2028five\x85six\rseven\n"), Signer(b"a call")):
        tail.add(mark)
    tail.add(b"begun")
    assert tail.lines(9) == ["one", "", "two", "three", "begun"]
    assert tail.lines(2) == ["three", "begun"]
    assert LogTail().lines(9) == []


def test_the_headers_are_those_of_the_schema(emulator: Emulator) -> None:
    endpoint, worker = ended_worker(emulator, "x")
    with stream(emulator, endpoint, worker) as (response, _):
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-cache"
        assert response.headers["connection"] == "keep-alive"
        assert response.headers["x-accel-buffering"] == "no"
        assert response.headers["ratelimit"]


def test_a_log_is_followed_while_it_grows(emulator: Emulator) -> None:
    endpoint = emulator.create(workers={"max": 1})
    worker = emulator.call(endpoint, do="pid")["workerId"]
    with stream(emulator, endpoint, worker, tail=0) as (_, events):
        assert emulator.call(endpoint, do="print and exit", text="late", code=1)["error"]
        assert [event.line for event in events] == ["late", f"worker {worker} exited with code 1"]


def test_a_follower_that_leaves_is_forgotten(emulator: Emulator) -> None:
    endpoint = emulator.create()
    worker = emulator.call(endpoint, do="pid")["workerId"]
    with stream(emulator, endpoint, worker) as (_, events):
        next(events)
    assert emulator.call(endpoint, do="echo", value=1)["workerId"] == worker


def test_a_deleted_endpoint_ends_its_streams(emulator: Emulator) -> None:
    endpoint = emulator.create()
    worker = emulator.call(endpoint, do="pid")["workerId"]
    with stream(emulator, endpoint, worker) as (_, events):
        emulator.management.delete(f"/v2/serverless/{endpoint}")
        assert "SIGKILL" in [*events][-1].line


def test_an_emulator_that_stops_ends_its_streams(start_emulator: StartEmulator) -> None:
    emulator = start_emulator()
    endpoint = emulator.create()
    worker = emulator.call(endpoint, do="pid")["workerId"]
    with stream(emulator, endpoint, worker) as (_, events):
        next(events)
        emulator.process.terminate()
        assert "SIGKILL" in [*events][-1].line


def test_tail_counts_lines_of_the_source(emulator: Emulator) -> None:
    texts = [str(number) for number in range(150)]
    endpoint, worker = ended_worker(emulator, *texts)
    get = partial(printed, emulator, endpoint, worker, source="container")
    assert get() == texts[-100:]
    assert get(tail=3) == texts[-3:]
    assert get(tail=0) == []
    assert get(tail=5000) == texts


def test_reading_resumes(emulator: Emulator) -> None:
    endpoint, worker = ended_worker(emulator, "a", "b", "c")
    a, b, c = read(emulator, endpoint, worker, source="container")
    get = partial(read, emulator, endpoint, worker, source="container")
    assert get(last=a.id) == [b, c]
    assert get(last=f"{a.id}/000000000042") == [b, c]
    assert get(since=b.ts) == [b, c]
    assert get(since=b.ts, tail=0) == [b, c]
    assert get(since=a.ts, last=b.id, tail=0) == [c]
    assert get(last=c.id) == []
    assert get(since="1970-01-01T00:00:00+00:00") == [a, b, c]
    assert get(since="2100-01-01T00:00:00-08:00") == []


@pytest.mark.parametrize(
    ("query", "last"),
    [
        ({"tail": "5001"}, None),
        ({"tail": "-1"}, None),
        ({"tail": "many"}, None),
        ({"source": "nobody"}, None),
        ({"since": "yesterday"}, None),
        ({"since": "2026-02-30T00:00:00Z"}, None),
        ({"since": "2026-02-03T00:00:00"}, None),
        ({}, "42"),
    ],
)
def test_what_cannot_be_read_is_unprocessable(
    emulator: Emulator, query: dict[str, str], last: str | None
) -> None:
    endpoint = emulator.create()
    worker = emulator.call(endpoint, do="pid")["workerId"]
    path = f"/v2/serverless/{endpoint}/workers/{worker}/logs"
    headers = {} if last is None else {"Last-Event-ID": last}
    answer = emulator.management.get(path, params=query, headers=headers)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_unknown_worker_has_no_log(emulator: Emulator) -> None:
    path = f"/v2/serverless/{emulator.create()}/workers/nobody/logs"
    assert emulator.management.get(path).status_code == 404


def test_the_log_of_an_image_without_a_program_says_so(emulator: Emulator) -> None:
    endpoint = emulator.create(image="my/image")
    emulator.call(endpoint, do="pid")
    (worker,) = emulator.workers(endpoint)
    with stream(emulator, endpoint, worker["id"]) as (_, events):
        assert "'my/image'" in next(events).line


# The parts


@given(st.text())
def test_any_text_is_a_time_or_refused(text: str) -> None:
    with contextlib.suppress(HttpError):
        assert isinstance(_moment(text, "since"), int)


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(9998, 12, 31)),
    st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_every_time_is_read(moment: datetime, zone: timezone) -> None:
    text = moment.replace(tzinfo=zone).isoformat()
    shown = LogLine(_moment(text, "since"), "system", "").timestamp
    read = datetime.fromisoformat(shown.replace("Z", "+00:00"))
    assert read == moment.replace(tzinfo=zone)


def test_logs_of_ended_workers_are_let_go() -> None:
    now = 0.0
    logs = WorkerLogs(lambda: now)
    for number in range(30):
        logs.open(str(number)).add("container", "x")
    for number in range(25):
        logs.end(str(number))
    kept = [number for number in range(30) if logs.get(str(number))]
    assert kept == [*range(5, 30)]
    now = 601.0
    assert [number for number in range(30) if logs.get(str(number))] == [*range(25, 30)]
