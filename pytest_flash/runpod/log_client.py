"""What workers print, followed while they run (REST v2, "Stream serverless worker logs")."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx

from ..network.response_limits import aread, ask, begun
from ..target import Target
from . import connection_options, paths, response_errors
from .client_per_loop import PerLoop
from .models import Workers, one
from .rate_limit import Pace, exhausted_for
from .sse import EventReader

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
        self._clients = PerLoop(self._open)

    async def running(self, endpoint_id: str) -> list[str]:
        """The ids of the workers that have a job. ``GET /v2/serverless/{id}/workers``."""
        client = await self._ready()
        path = f"/v2/serverless/{paths.endpoint(endpoint_id)}/workers"
        try:
            response = await ask(client, client.build_request("GET", path))
        except httpx.RequestError as error:
            fault = response_errors.transport_error(error)
        else:
            self._check(response)
            workers = one(Workers, response_errors.body(response), "the list of workers")
            return [each.id for each in workers.workers if each.status == "RUNNING"]
        # Not within the handler: the frames of httpx's error hold the request's headers.
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
        path = f"/v2/serverless/{endpoint}/workers/{worker}/logs"
        asked = {"source": "container", **({} if after else {"tail": str(_TAIL)})}
        headers = {"Last-Event-ID": after} if after else {}
        request = client.build_request("GET", path, params=asked, headers=headers)
        reader = EventReader()
        try:
            async with begun(client, request) as response:
                self._check(response if response.is_success else await aread(response))
                _refuse_packed(response)
                async for chunk in response.aiter_raw():
                    for event in reader.feed(chunk):
                        yield LogEntry(event.id, _line(event.data))
        except httpx.RequestError as error:
            fault = response_errors.transport_error(error)
        else:
            return
        raise fault

    async def _ready(self) -> httpx.AsyncClient:
        for pace in self._paces:
            while (left := pace.turn()) > 0:  # noqa: ASYNC110 - nothing but time brings a turn
                await asyncio.sleep(left)
        return await self._clients.get()

    def _check(self, response: httpx.Response) -> None:
        wait = response_errors.retry_after(response) if response.status_code == 429 else None
        exhausted = exhausted_for(response.headers.get("RateLimit", ""))
        for pace in self._paces:
            pace.hold(max(wait or 0, exhausted))
        response_errors.check(response)

    def _open(self) -> httpx.AsyncClient:
        url = self._target.management_url
        return httpx.AsyncClient(
            base_url=url,
            # Packed, a few bytes of a stream could be very many.
            headers={**connection_options.headers(self._target), "Accept-Encoding": "identity"},
            timeout=httpx.Timeout(_QUIET_LIVE if self.is_live else _QUIET, connect=10.0),
            # Streams stay open: nobody waits for one to end.
            limits=httpx.Limits(max_connections=None),
            verify=connection_options.tls(self._target, url),
            proxy=connection_options.proxy(self._target, url),
            trust_env=False,
        )


def _refuse_packed(response: httpx.Response) -> None:
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        text = f"the stream's Content-Encoding is {encoding!r}, which was not asked for"
        raise httpx.DecodingError(text, request=response.request)


def _line(data: str) -> str:
    """The line of an event ``{ts, source, line}``; nothing for what is none."""
    try:
        document: Any = json.loads(data)
    except (ValueError, RecursionError):
        return ""
    return str(document.get("line", "")) if isinstance(document, dict) else ""
