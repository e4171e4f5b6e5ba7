"""What a worker prints, followed while it runs (REST v2, "Stream serverless worker logs")."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime

import httpx

from ..target import Target
from . import http
from .loops import PerLoop

# The server says something at least every 15 s.
_TIMEOUT = httpx.Timeout(60.0, connect=10.0)


class LogClient:
    """Follows the logs of workers, from any event loop."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._clients = PerLoop(self._open)

    async def lines(self, endpoint_id: str, worker_id: str, since: datetime) -> AsyncIterator[str]:
        """What the worker prints from ``since`` on, line by line, until it ends.

        ``GET /v2/serverless/{id}/workers/{workerId}/logs``, server-sent events. Raises
        RunpodApiError for a refusal and RunpodConnectionError when the stream breaks.
        """
        client = await self._clients.get()
        path = f"/v2/serverless/{endpoint_id}/workers/{worker_id}/logs"
        asked = {"source": "container", "since": since.isoformat()}
        try:
            async with client.stream("GET", path, params=asked) as response:
                if not response.is_success:
                    await response.aread()
                http.check(response)
                async for line in response.aiter_lines():
                    if line.startswith("data:"):
                        yield _text(line.removeprefix("data:"))
        except httpx.RequestError as error:
            fault = http.transport_error(error)
        else:
            return
        # Not within the handler: the frames of httpx's error hold the request's headers.
        raise fault

    def _open(self) -> httpx.AsyncClient:
        url = self._target.management_url
        return httpx.AsyncClient(
            base_url=url,
            headers=http.headers(self._target),
            timeout=_TIMEOUT,
            verify=http.verifies(url),
            trust_env=http.uses_proxies(url),
        )


def _text(data: str) -> str:
    """The line of an event ``{ts, source, line}``; nothing for what is none."""
    try:
        document = json.loads(data)
    except ValueError:
        return ""
    return str(document.get("line", "")) if isinstance(document, dict) else ""
