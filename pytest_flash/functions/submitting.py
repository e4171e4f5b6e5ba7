"""Sending what must not run twice: again only after an answer that says that it was not taken."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from ..errors import NotFoundError, RunpodApiError
from ..runpod import Endpoint
from .registry import FunctionSpec

T = TypeVar("T")

EndpointFor = Callable[[FunctionSpec, Endpoint | None], Awaitable[Endpoint]]

# For how long what is refused with 429 is sent again; seconds, also below.
_BUSY = 120.0
_PAUSE_FIRST, _PAUSE_LAST = 0.5, 8.0


async def until_taken(
    spec: FunctionSpec,
    endpoint: Endpoint,
    send: Callable[[Endpoint], Awaitable[T]],
    endpoint_for: EndpointFor,
) -> tuple[Endpoint, T]:
    """What ``send`` gives, and the endpoint that it was sent to.

    After a 404 it is sent to the endpoint that ``endpoint_for`` finds instead, once: the first
    was deleted behind our back. After a 429 it is sent again for up to two minutes, as late as
    ``Retry-After`` asks. Raises what ``send`` raises, and the last 404 or 429.
    """
    deadline, gone, pause = time.monotonic() + _BUSY, False, _PAUSE_FIRST
    while True:
        try:
            return endpoint, await send(endpoint)
        except NotFoundError:
            if gone:
                raise
            gone = True
            endpoint = await endpoint_for(spec, endpoint)
        except RunpodApiError as error:
            # Not all at once, where many were refused together.
            wait = max(error.retry_after or 0, pause) * (1 + random.random() / 4)
            if error.status != 429 or time.monotonic() + wait > deadline:
                raise
            await anyio.sleep(wait)
            pause = min(pause * 2, _PAUSE_LAST)
