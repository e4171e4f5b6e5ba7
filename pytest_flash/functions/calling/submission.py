"""What is sent again: jobs only where they were not sent, or an answer says they were not taken."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from ...backoff import Backoff
from ...clock import monotonic
from ...errors import NotFoundError, RunpodApiError, RunpodConnectionError
from ...runpod import Endpoint
from ..declaration.specs import FunctionSpec

T = TypeVar("T")

EndpointFor = Callable[[FunctionSpec, Endpoint | None], Awaitable[Endpoint]]

# For how long what is refused with 429 is sent again; seconds, also below.
_BUSY = 120.0
# For how long what could not be sent is.
_UNSENT = 60.0
_CANCELLING = 30.0
_BACKOFF = Backoff(0.5, 8.0)


async def until_taken(
    spec: FunctionSpec,
    endpoint: Endpoint,
    send: Callable[[Endpoint], Awaitable[T]],
    endpoint_for: EndpointFor,
) -> tuple[Endpoint, T]:
    """What ``send`` gives, and the endpoint that it was sent to.

    After a 404 it is sent to the endpoint that ``endpoint_for`` finds instead, once: the first
    was deleted behind our back. After a 429 it is sent again for up to two minutes, as late as
    ``Retry-After`` asks, and for up to one where there was no time, file or network for a
    connection. Raises what ``send`` raises, and the last of these.
    """
    pauses, connecting, gone = _Pauses(_BUSY), _Pauses(_UNSENT), False
    while True:
        try:
            return endpoint, await send(endpoint)
        except NotFoundError:
            if gone:
                raise
            gone = True
            endpoint = await endpoint_for(spec, endpoint)
        except RunpodApiError as error:
            if error.status != 429 or not await pauses.after(error):
                raise
        except RunpodConnectionError as error:
            if error.reached or not error.passes or not await connecting.after(error):
                raise


async def until_cancelled(cancel: Callable[[], Awaitable[T]]) -> T:
    """What ``cancel`` gives, which may be sent as often as one likes.

    Runpod takes few cancellations at once, so one that is refused with 429 or a status from 500
    is sent again for half a minute, and so is one that could not be sent. Raises what else
    ``cancel`` raises, and the last refusal.
    """
    pauses = _Pauses(_CANCELLING)
    while True:
        try:
            return await cancel()
        except RunpodApiError as error:
            passes = error.status == 429 or error.status >= 500
            if not passes or not await pauses.after(error):
                raise
        except RunpodConnectionError as error:
            if not error.passes or not await pauses.after(error):
                raise


class _Pauses:
    """Ever longer ones, for up to ``seconds`` in all."""

    def __init__(self, seconds: float) -> None:
        self._deadline = monotonic() + seconds
        self._refusals = 0

    async def after(self, error: RunpodApiError | RunpodConnectionError) -> bool:
        """Wait until another try makes sense; False, at once, where there is no time for it."""
        # Not all at once, where many were refused together.
        asked = getattr(error, "retry_after", None) or 0
        self._refusals += 1
        wait = max(asked, _BACKOFF.pause(self._refusals)) * (1 + random.random() / 4)
        if monotonic() + wait > self._deadline:
            return False
        await anyio.sleep(wait)
        return True
