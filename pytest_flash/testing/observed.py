"""The app as it is served in tests: what its handlers raise, and where they wait, can be told."""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .frames import is_own, place

# Of coroutines, generators and asynchronous generators.
_FRAMES = ("cr_frame", "gi_frame", "ag_frame")
_AWAITS = ("cr_await", "gi_yieldfrom", "ag_await")
# Requests are still being closed for a moment after their answer.
_A_WHILE = 0.25


@dataclass(frozen=True)
class _Request:
    text: str
    started: float


class ObservedApp:
    """An ASGI app around ``app``: exceptions go to ``on_exception`` and on their way."""

    def __init__(self, app: ASGIApp, on_exception: Callable[[str, Exception], None]) -> None:
        self._app = app
        self._on_exception = on_exception
        self._requests: dict[asyncio.Task[Any], _Request] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        task = asyncio.current_task()
        assert task is not None
        if scope["type"] == "lifespan":
            await self._live(task, scope, receive, send)
            return
        text = f"{scope.get('method', 'WebSocket')} {scope['path']}"
        self._requests[task] = _Request(text, time.monotonic())
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            self._on_exception(text, error)
            raise
        finally:
            del self._requests[task]

    async def _live(
        self, task: asyncio.Task[Any], scope: Scope, receive: Receive, send: Send
    ) -> None:
        """The app's lifespan, which is under way while it starts."""
        self._requests[task] = _Request("the app's lifespan", time.monotonic())

        async def told(message: Message) -> None:
            self._requests.pop(task, None)
            await send(message)

        try:
            await self._app(scope, receive, told)
        finally:
            self._requests.pop(task, None)

    @property
    def hangs(self) -> bool:
        """Whether a request has been under way for a while."""
        now = time.monotonic()
        return any(now - each.started > _A_WHILE for each in list(self._requests.values()))

    def under_way(self) -> Iterator[str]:
        """A line for each request that is being handled: for how long, and where it waits."""
        now = time.monotonic()
        for task, request in list(self._requests.items()):
            where = _waits_at(task.get_coro()) or "in the event loop"
            yield f"{request.text}: for {now - request.started:.1f} s, {where}"
        yield from _threads()


def _waits_at(awaited: Any) -> str | None:
    """The innermost line of the user's code in a chain of awaits."""
    found: str | None = None
    frame: FrameType | None = None
    while awaited is not None:
        outer, frame = frame, _frame(awaited)
        if frame is None and outer is not None:
            # An item of an asynchronous generator does not tell whose it is.
            awaited = _generator_in(outer)
            frame = _frame(awaited)
        if frame is not None:
            found = _shown(frame) or found
        awaited = next(filter(None, (getattr(awaited, name, None) for name in _AWAITS)), None)
    return found


def _frame(awaited: Any) -> FrameType | None:
    return next(filter(None, (getattr(awaited, name, None) for name in _FRAMES)), None)


def _generator_in(frame: FrameType) -> Any:
    """The running generator among a frame's variables, also inside a context manager of one."""
    values = (getattr(value, "gen", value) for value in list(frame.f_locals.values()))
    return next((each for each in values if inspect.isasyncgen(each) and each.ag_running), None)


def _threads() -> Iterator[str]:
    """Where the threads are in which handlers that are no coroutines run."""
    frames = sys._current_frames()
    for thread in threading.enumerate():
        if thread.name.startswith("AnyIO worker") and thread.ident in frames:
            frame: FrameType | None = frames[thread.ident]
            while frame is not None and (shown := _shown(frame)) is None:
                frame = frame.f_back
            if frame is not None:
                yield f"a thread of the app: {shown}"


def _shown(frame: FrameType) -> str | None:
    file, function = frame.f_code.co_filename, frame.f_code.co_name
    return place(file, frame.f_lineno, function) if is_own(file) else None
