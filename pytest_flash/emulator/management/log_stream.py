"""Worker logs as Server-Sent Events (REST v2, "Stream serverless worker logs")."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from starlette.responses import StreamingResponse

from ..processes.worker_logs import SOURCES, LogLine, LogStart, Source, WorkerLog
from ..server.http_errors import HttpError

if TYPE_CHECKING:
    from starlette.requests import Request

# Said now and then, so that a client which went without a word is noticed.
_COMMENT = b": still here\n\n"
_QUIET = 15.0

_TAIL_LIMIT = 5000
_WHOLE = re.compile(r"[0-9]{1,4}")
_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)


def log_response(request: Request, log: WorkerLog) -> StreamingResponse:
    """The stream that a request asks for; it ends with the worker. Raises HttpError 422."""
    headers = {
        "Cache-Control": "no-cache",
        "Connection": "keep-alive",
        "X-Accel-Buffering": "no",
    }
    events = _events(log, _source(request), _start(request))
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


async def _events(log: WorkerLog, source: Source | None, start: LogStart) -> AsyncIterator[bytes]:
    lines = log.follow(source, start)
    coming: asyncio.Future[LogLine] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(lines))
            await asyncio.wait((coming,), timeout=_QUIET)
            if not coming.done():
                yield _COMMENT
                continue
            try:
                line = coming.result()
            except StopAsyncIteration:
                return
            coming = None
            yield _event(line)
    finally:
        if coming is not None:
            coming.cancel()
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
                await coming


def _event(line: LogLine) -> bytes:
    """One event, whose id is its time: the schema's text says so, and its parameter takes it."""
    moment = line.timestamp
    data = {"ts": moment, "source": line.source, "line": line.text}
    return f"id: {moment}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def _source(request: Request) -> Source | None:
    value = request.query_params.get("source")
    if value is None:
        return None
    for source in SOURCES:
        if value == source:
            return source
    raise HttpError(422, f"source must be container or system, not {value[:50]!r}")


def _start(request: Request) -> LogStart:
    """Where to begin: ``Last-Event-ID`` counts before ``since``, and that before ``tail``."""
    parameters, last = request.query_params, request.headers.get("Last-Event-ID")
    tail = parameters.get("tail", "100")
    if not _WHOLE.fullmatch(tail) or int(tail) > _TAIL_LIMIT:
        raise HttpError(422, f"tail must be 0 to {_TAIL_LIMIT}, not {tail[:50]!r}")
    since = parameters.get("since")
    moment = None if since is None else _moment(since, "since")
    if last is not None:
        # An id may have a counter behind the time, as in the schema's example.
        moment = _moment(last.partition("/")[0], "Last-Event-ID") + 1
    return LogStart(int(tail), moment)


def _moment(text: str, name: str) -> int:
    """The microseconds since 1970 of an RFC 3339 time."""
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise HttpError(422, f"{name} must be an RFC 3339 time, not {text[:50]!r}")
    day, clock, fraction, sign, hours, minutes = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}+00:00")
    except ValueError as error:
        raise HttpError(422, f"{name}: {text[:50]!r} is no time: {error}") from None
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    # As numbers: near the years 1 and 9999 an offset leads out of what datetime holds.
    offset_us = offset // _MICROSECOND * (-1 if sign == "-" else 1)
    part = int((fraction or "0").ljust(6, "0")[:6])
    return (moment - _EPOCH) // _MICROSECOND - offset_us + part
