"""Webhooks: the end of a job, sent to the URL that came with it."""

from __future__ import annotations

import asyncio
import logging
import reprlib
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from ...http.errors import TransportError
from ...http.messages import Request, Timeouts
from ...http.streaming import begun
from ...http.tls import default_context
from ...network.loopback import is_loopback
from ..server.http_errors import HttpError

if TYPE_CHECKING:
    import ssl

    from ..startup.config import WebhookReach

_log = logging.getLogger(__name__)

_ATTEMPTS = 3  # Runpod docs, send-requests: up to 2 after the first
# An attempt may take a minute, however slowly the answer comes.
_TIMEOUTS = Timeouts(connect=10.0, read=10.0, whole=60.0)
_HEADERS = ((b"Content-Type", b"application/json"), (b"User-Agent", b"pytest-flash"))


class WebhookRule(Protocol):
    """Decides which URLs may be asked for."""

    def check(self, url: Any) -> None:
        """Raises HttpError 400 for a webhook that would not be delivered."""
        ...


class Webhooks:
    """Delivers webhooks, each in a task of its own. Lives on one event loop.

    ``reach`` says how far: to this machine only, for a test must not surprise anybody else; to
    anywhere; or nowhere, so that jobs with a webhook run and nothing is sent. ``delay`` is the
    seconds between attempts.
    """

    def __init__(self, reach: WebhookReach, delay: float) -> None:
        self._reach = reach
        self._delay = delay
        self._context: ssl.SSLContext | None = None
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

    async def _deliver(self, url: str, job_id: str, document: bytes) -> None:
        for attempt in range(_ATTEMPTS):
            if attempt:
                await asyncio.sleep(self._delay)
            problem = await self._post(url, document)
            if problem is None:
                return
            _log.warning("webhook of job %s to %s: %s", job_id, url, problem)

    async def _post(self, url: str, body: bytes) -> str | None:
        """One attempt; what was wrong with it, if anything.

        What is answered beside the status is nobody's business, and may have no end.
        """
        try:
            request = Request.to("POST", url, _HEADERS, body)
            if request.url.is_secure and self._context is None:
                self._context = default_context()
            async with begun(request, _TIMEOUTS, self._context) as response:
                status = response.head.status
        except TransportError as error:
            return f"{type(error).__name__}: {error}"
        return None if status == 200 else f"the answer was {status}, not 200"


def _host(url: Any) -> str | None:
    try:
        parts = urlsplit(url) if isinstance(url, str) and url.isprintable() else None
        if parts is None or parts.scheme not in ("http", "https"):
            return None
        _ = parts.port  # may be no number
        return parts.hostname
    except ValueError:
        return None
