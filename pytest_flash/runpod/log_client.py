"""What workers print, followed while they run (REST v2, "Stream serverless worker logs")."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..http.client_per_loop import PerLoop
from ..http.errors import DecodingError, TransportError
from ..http.messages import Header, Request, Response, Timeouts
from ..http.response_content import retry_after
from ..target import Target
from . import connection_options, paths, response_errors
from .models import Workers, one
from .rate_limit import Pace, exhausted_for
from .sse import EventReader

if TYPE_CHECKING:
    from ..http.pool import AsyncClient
    from ..http.proxied import ProxiedAsyncClient

# Requests for logs in a minute: of the account's 60 the rest is for endpoints.
LOG_REQUESTS_PER_MINUTE = 10
_MINUTE = 60.0
# The emulator says something at least every 15 s. Of Runpod that is not known, and asking again
# costs a request; a connection that was lost is noticed so late.
_QUIET, _QUIET_LIVE = 60.0, 180.0
# As many lines as there are at most: those of a job may have been written a while ago.
_TAIL = 5000


@dataclass(frozen=True)
class LogEntry:
    """A line of a log; ``id`` is what the stream continues from."""

    id: str
    line: str


class LogClient:
    """Reads the logs of workers, from any event loop.

    Raises RunpodApiError for a refusal and RunpodConnectionError when no usable answer arrived.
    On a live target every request waits for its turn: there are 10 a minute, ``shared_by`` so many
    processes, and none beyond ``pace``, which is the management client's too. Where the account's
    quota is used up, they wait until it is renewed.
    """

    def __init__(self, target: Target, *, pace: Pace | None = None, shared_by: int = 1) -> None:
        few = max(1, LOG_REQUESTS_PER_MINUTE // shared_by)
        budget = Pace(few, _MINUTE) if target.is_live else Pace.unlimited()
        self.is_live = target.is_live
        self._target = target
        self._paces = (budget, pace or Pace.unlimited())
        self._timeouts = Timeouts(connect=10.0, read=_QUIET_LIVE if target.is_live else _QUIET)
        self._clients = PerLoop(self._open)

    async def running(self, endpoint_id: str) -> list[str]:
        """The ids of the workers that have a job. ``GET /v2/serverless/{id}/workers``."""
        client = await self._ready()
        request = self._request(f"{paths.endpoint(endpoint_id)}/workers")
        try:
            response = await client.send(request, self._timeouts)
        except TransportError as error:
            fault = response_errors.transport_error(request, error)
        else:
            self._check(response)
            workers = one(Workers, response_errors.body(response), "the list of workers")
            return [each.id for each in workers.workers if each.status == "RUNNING"]
        # Not within the handler: the frames of the error hold the request's headers.
        raise fault

    async def follow(
        self, endpoint_id: str, worker_id: str, after: str = ""
    ) -> AsyncIterator[LogEntry]:
        """The latest lines that a worker printed and those that come, until the stream ends.

        ``after`` is the id of an entry: begin behind it.
        ``GET /v2/serverless/{id}/workers/{workerId}/logs``, server-sent events.
        """
        client = await self._ready()
        endpoint, worker = paths.endpoint(endpoint_id), paths.worker(worker_id)
        tail = "" if after else f"&tail={_TAIL}"
        headers = [(b"Last-Event-ID", after.encode())] if after else []
        request = self._request(f"{endpoint}/workers/{worker}/logs?source=container{tail}", headers)
        reader = EventReader()
        try:
            async with client.stream(request, self._timeouts) as response:
                begun = response.head.response(request, b"")
                self._check(begun if begun.is_success else await response.whole())
                _refuse_packed(begun)
                async for chunk in response.chunks:
                    for event in reader.feed(chunk):
                        yield LogEntry(event.id, _line(event.data))
        except TransportError as error:
            fault = response_errors.transport_error(request, error)
        else:
            return
        raise fault

    async def _ready(self) -> AsyncClient | ProxiedAsyncClient:
        for pace in self._paces:
            while (left := pace.turn()) > 0:  # noqa: ASYNC110 - nothing but time brings a turn
                await asyncio.sleep(left)
        return await self._clients.get()

    def _check(self, response: Response) -> None:
        wait = retry_after(response) if response.status == 429 else None
        exhausted = exhausted_for(response.header(b"ratelimit"))
        for pace in self._paces:
            pace.hold(max(wait or 0, exhausted))
        response_errors.check(response)

    def _request(self, path: str, headers: Sequence[Header] = ()) -> Request:
        url = f"{self._target.management_url}/v2/serverless/{path}"
        # Packed, a few bytes of a stream could be very many.
        fixed = connection_options.headers(self._target, encodings="identity")
        return Request.to("GET", url, [*fixed, *headers])

    def _open(self) -> AsyncClient | ProxiedAsyncClient:
        return connection_options.open_async_client(self._target, self._target.management_url)


def _refuse_packed(response: Response) -> None:
    encoding = response.header(b"content-encoding") or "identity"
    if encoding != "identity":
        raise DecodingError(
            f"the stream's Content-Encoding is {encoding!r}, which was not asked for"
        )


def _line(data: str) -> str:
    """The line of an event ``{ts, source, line}``; nothing for what is none."""
    try:
        document: Any = json.loads(data)
    except (ValueError, RecursionError):
        return ""
    return str(document.get("line", "")) if isinstance(document, dict) else ""
