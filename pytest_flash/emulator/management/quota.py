"""The quota of REST v2, reported in every response and enforced where the project asks for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..server.http_errors import HttpError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ..server.authentication import Refusal


@dataclass
class Window:
    """So many requests in so many seconds, counted from the first one on."""

    name: str
    quota: int
    seconds: int
    used: int = 0
    ends: float = -math.inf

    def turn(self, now: float) -> None:
        """Begin anew if the window is over."""
        if now >= self.ends:
            self.used, self.ends = 0, now + self.seconds

    def left(self, now: float) -> int:
        """The whole seconds until it is over."""
        return max(1, math.ceil(self.ends - now))


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
        self._windows = (
            Window("minute", 60, 60),
            Window("hour", 3000, 3600),
            Window("day", 50_000, 86_400),
        )
        self._policy = ", ".join(
            f'"{each.name}";q={each.quota};w={each.seconds}' for each in self._windows
        ).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request that the quota allows, and refuse any other with 429."""
        now = self._clock()
        for window in self._windows:
            window.turn(now)
        app = self._app
        full = next((each for each in self._windows if each.used >= each.quota), None)
        if full is not None and self._enforced:
            response = self._refusal(
                HttpError(429, f"rate limit exceeded for the {full.name} window")
            )
            response.headers["Retry-After"] = str(full.left(now))
            app = response
        else:
            for window in self._windows:
                window.used += 1
        headers = [(b"ratelimit", self._state(now)), (b"ratelimit-policy", self._policy)]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *headers]}
            await send(message)

        await app(scope, receive, send_with_headers)

    def _state(self, now: float) -> bytes:
        least = 0 if self._enforced else 1
        members = (
            f'"{each.name}";r={max(each.quota - each.used, least)};t={each.left(now)}'
            for each in self._windows
        )
        return ", ".join(members).encode()
