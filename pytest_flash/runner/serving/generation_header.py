"""Which code answers: what every response says, and waiting for newer code."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from ...clock import monotonic
from ...errors import ServerError, SettingsError
from ...http.blocking import Client
from ...http.errors import TransportError
from ...http.messages import Request, Timeouts
from ...http.tls import default_context

HEADER = "X-Flash-Generation"
"""On every response: how many times the code had been loaded when it was answered."""

# Answered by the console, or as not found: it runs nothing of the app.
_PATH = "/__flash__/generation"
_POLL = 0.02
_SLOWEST = 5.0


def generation_headers(generation: int) -> list[tuple[str, str]]:
    """What a server of this generation adds to each response."""
    return [(HEADER, str(generation))]


def generation_at(url: str, timeout: float = _SLOWEST) -> int | None:
    """The generation that answers at ``url`` within ``timeout`` seconds; None when none does."""
    context = default_context() if url.startswith("https:") else None
    timeouts = Timeouts(connect=timeout, read=timeout, whole=timeout)
    client = Client(context)
    try:
        request = Request.to("HEAD", f"{url.rstrip('/')}{_PATH}")
        value = client.send(request, timeouts).header(HEADER.lower().encode())
    except TransportError:
        return None
    finally:
        client.close()
    return int(value) if value.isdigit() else None


def wait_for_generation(url: str, generation: int = 1, timeout: float = 30.0) -> int:
    """Return the generation that answers at ``url`` once it is ``generation`` or a later one.

    Raises ServerError when that takes longer than ``timeout`` seconds, and SettingsError at once
    for a URL that is not one of HTTP.
    """
    _check(url)
    deadline = monotonic() + timeout
    while True:
        left = deadline - monotonic()
        found = generation_at(url, max(min(left, _SLOWEST), _POLL))
        if found is not None and found >= generation:
            return found
        if left <= 0:
            answers = "nothing of flash run answers" if found is None else f"{found} answers"
            raise ServerError(
                f"generation {generation} did not answer at {url} within {timeout:g} s: {answers}"
            )
        time.sleep(_POLL)


def _check(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        port_given = parts.port != 0
    except ValueError:
        usable = port_given = False
    if not usable or not port_given:
        raise SettingsError(f"{url!r} is not a URL; write one such as http://localhost:8888")
