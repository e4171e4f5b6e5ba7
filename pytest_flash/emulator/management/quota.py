"""The quota of REST v2, told in every answer and, for those who ask for it, enforced."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...rate_limit import SlidingWindow
from ..server.http_errors import HttpError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ..server.authentication import Refusal


class Quota:
    """The management plane behind its quota (REST v2 schema, headers of every operation).

    Requests come here once they are authenticated. Where it is not enforced, at least one request
    always remains: clients that read 0 would wait for nothing.
    """

    def __init__(
        self, app: ASGIApp, refusal: Refusal, clock: Callable[[], float], *, enforced: bool
    ) -> None:
        self._app = app
        self._refusal = refusal
        self._clock = clock
        self._enforced = enforced
        # The numbers of the schema's example, the only ones that are known.
        self._windows = {
            "minute": SlidingWindow(60, 60),
            "hour": SlidingWindow(3000, 3600),
            "day": SlidingWindow(50_000, 86_400),
        }
        self._policy = ", ".join(
            f'"{name}";q={each.limit};w={each.seconds}' for name, each in self._windows.items()
        ).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request that the quota allows, and refuse any other with 429."""
        now = self._clock()
        app = self._app
        full = next((name for name, each in self._windows.items() if each.free_at > now), None)
        if full is not None and self._enforced:
            response = self._refusal(HttpError(429, f"rate limit exceeded for the {full} window"))
            response.headers["Retry-After"] = str(_whole(self._windows[full].left(now)))
            app = response
        else:
            for window in self._windows.values():
                window.take(now)
        headers = [(b"ratelimit", self._state(now)), (b"ratelimit-policy", self._policy)]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *headers]}
            await send(message)

        await app(scope, receive, send_with_headers)

    def _state(self, now: float) -> bytes:
        least = 0 if self._enforced else 1
        members = (
            f'"{name}";r={max(each.limit - each.used(now), least)};t={_whole(each.left(now))}'
            for name, each in self._windows.items()
        )
        return ", ".join(members).encode()


def _whole(seconds: float) -> int:
    return max(1, math.ceil(seconds))
