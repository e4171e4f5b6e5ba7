"""Webhooks: the end of a job told to the URL that came with it."""

from __future__ import annotations

import asyncio
import logging
import reprlib
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from ...network.loopback import is_loopback
from ..server.http_errors import HttpError

if TYPE_CHECKING:
    import httpx

    from ..startup.config import WebhookReach

_log = logging.getLogger(__name__)

_ATTEMPTS = 3  # Runpod docs, send-requests: up to 2 after the first
_TIMEOUT = 10.0
# For all of an attempt, however slowly the answer comes.
_WHOLE = 60.0
_HEADERS = {"Content-Type": "application/json", "User-Agent": "pytest-flash"}


class WebhookRule(Protocol):
    """Decides which URLs may be asked for."""

    def check(self, url: Any) -> None:
        """Raises HttpError 400 for a webhook that would not be delivered."""
        ...


class Webhooks:
    """Delivers webhooks, each in a task of its own. Lives on one event loop.

    ``reach`` says how far: to this machine only, for a test must not surprise anybody else; to
    anywhere; or nowhere, so that jobs with a webhook run and nobody is told. ``delay`` is the
    seconds between attempts.
    """

    def __init__(self, reach: WebhookReach, delay: float) -> None:
        self._reach = reach
        self._delay = delay
        self._client: httpx.AsyncClient | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def check(self, url: Any) -> None:
        """See WebhookRule."""
        host = _host(url)
        if host is None:
            shown = reprlib.repr(url)
            raise HttpError(400, f"'webhook' must be an http or https URL, not {shown}")
        if self._reach == "loopback" and not is_loopback(host):
            raise HttpError(
                400,
                f"the webhook would leave this machine, to {host!r}: the emulator delivers to "
                'loopback addresses only, unless webhooks in [tool.flash.emulator] is "anywhere"; '
                'with "nowhere" it runs such jobs and tells nobody',
            )

    def deliver(self, url: str, job_id: str, document: bytes) -> None:
        """Post a job that has ended, as ``/status`` shows it, until the answer is a 200."""
        if self._closed or self._reach == "nowhere":
            return
        task = asyncio.get_running_loop().create_task(self._deliver(url, job_id, document))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Give up what has not been delivered, and deliver no more."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    async def _deliver(self, url: str, job_id: str, document: bytes) -> None:
        for attempt in range(_ATTEMPTS):
            if attempt:
                await asyncio.sleep(self._delay)
            problem = await self._post(url, document)
            if problem is None:
                return
            _log.warning("webhook of job %s to %s: %s", job_id, url, problem)

    async def _post(self, url: str, body: bytes) -> str | None:
        """One attempt; what was wrong with it, if anything."""
        import httpx

        if self._client is None:
            # A proxy from the environment would take even loopback URLs elsewhere.
            self._client = httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False)
        posting = self._status(self._client, url, body)
        try:
            status = await asyncio.wait_for(posting, _WHOLE)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return f"{type(error).__name__}: {error}"
        except asyncio.TimeoutError:
            return f"there was no answer in {_WHOLE:g} s"
        return None if status == 200 else f"the answer was {status}, not 200"

    async def _status(self, client: httpx.AsyncClient, url: str, body: bytes) -> int:
        """What is answered beside the status is nobody's business, and may have no end."""
        async with client.stream("POST", url, content=body, headers=_HEADERS) as response:
            return response.status_code


def _host(url: Any) -> str | None:
    try:
        parts = urlsplit(url) if isinstance(url, str) and url.isprintable() else None
        if parts is None or parts.scheme not in ("http", "https"):
            return None
        _ = parts.port  # may be no number
        return parts.hostname
    except ValueError:
        return None
