"""The app as it is served in tests: what its handlers raise, and where they wait, can be told."""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...clock import monotonic
from ...runner.serving.app_server import THREAD
from .recorder import ActivityRecord, Recorder
from .user_frames import is_own, place

# Of coroutines, generators and asynchronous generators.
_FRAMES = ("cr_frame", "gi_frame", "ag_frame")
_AWAITS = ("cr_await", "gi_yieldfrom", "ag_await")
# Names of threads: of handlers that are no coroutines, and of asyncio.to_thread.
_POOLS = ("AnyIO worker", "asyncio_")
# Handlers raise, and background tasks run, after the answer has arrived; so long is no hang.
_A_WHILE = 0.25
# This answer is that of an error which nobody handled, and which is raised next.
_SERVER_ERROR = 500
_RAISES = 5.0
_POLL = 0.005
# A line that the event loop's thread does not leave for so long blocks it.
_BLOCKED = 0.1


@dataclass
class _Request:
    """``answered`` is when the last of its answer went out; both times are of the monotonic clock.

    The client may have the answer before ``complete`` says that the server took it all.
    """

    text: str
    owner: ActivityRecord
    started: float
    status: int | None = None
    answered: float | None = None
    complete: bool = False

    def ends(self, a_while: float, waited: float) -> bool:
        """Whether to wait for its end after ``waited`` seconds: it may come at any moment."""
        if self.answered is None:
            return False
        if self.status == _SERVER_ERROR:
            return waited <= _RAISES
        return max(waited, monotonic() - self.answered) <= a_while

    def hangs(self, a_while: float) -> bool:
        """Whether it has been under way for a while."""
        return monotonic() - (self.answered or self.started) > a_while


class ObservedApp:
    """An ASGI app around ``app`` that tells ``recorder`` what its handlers raise, and for whom.

    ``a_while`` is how many seconds a request may go on after its answer without hanging.
    """

    def __init__(self, app: ASGIApp, recorder: Recorder, *, a_while: float = _A_WHILE) -> None:
        self._app = app
        self._recorder = recorder
        self._a_while = a_while
        self._requests: dict[asyncio.Task[Any], _Request] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        task = asyncio.current_task()
        assert task is not None
        if scope["type"] == "lifespan":
            await self._live(task, scope, receive, send)
        else:
            await self._serve(task, scope, receive, send)

    async def _serve(
        self, task: asyncio.Task[Any], scope: Scope, receive: Receive, send: Send
    ) -> None:
        text = f"{scope.get('method', 'WebSocket')} {scope['path']}"
        request = _Request(text, self._recorder.owner, monotonic())
        self._requests[task] = request

        async def sent(message: Message) -> None:
            request.status = message.get("status", request.status)
            last = message["type"] == "http.response.body" and not message.get("more_body")
            if last:
                request.answered = monotonic()
            await send(message)
            request.complete |= last

        try:
            with self._recorder.on_behalf_of(request.owner):
                await self._app(scope, receive, sent)
        except Exception as error:
            self._recorder.raised(request.owner, text, error)
            # Once the client has its answer, the server would but log what is told already, and
            # maybe in the report of the next test.
            if not request.complete:
                raise
        finally:
            del self._requests[task]

    async def _live(
        self, task: asyncio.Task[Any], scope: Scope, receive: Receive, send: Send
    ) -> None:
        """The app's lifespan, which is under way while it starts."""
        owner = self._recorder.lasting
        self._requests[task] = _Request("the app's lifespan", owner, monotonic())

        async def told(message: Message) -> None:
            self._requests.pop(task, None)
            await send(message)

        try:
            with self._recorder.on_behalf_of(owner):
                await self._app(scope, receive, told)
        finally:
            self._requests.pop(task, None)

    @property
    def hangs(self) -> bool:
        """Whether a request of the test has been under way for a while, or none can be served."""
        return (
            any(each.hangs(self._a_while) for _, each in self._concerning())
            or _blocked() is not None
        )

    def settle(self) -> None:
        """Wait a moment for requests that end: what they raise belongs to the test's report."""
        began = monotonic()
        while self._ends(monotonic() - began):
            time.sleep(_POLL)

    def under_way(self) -> Iterator[str]:
        """A line for each request that is being handled: for how long, and where it waits."""
        blocked = _blocked()
        if blocked is not None:
            yield f"the app's event loop is blocked: {blocked}"
        now = monotonic()
        for task, request in self._concerning():
            where = _waits_at(task.get_coro()) or "in the event loop"
            yield f"{request.text}: for {now - request.started:.1f} s, {where}"
        yield from self._tasks()
        yield from _threads()

    def _ends(self, waited: float) -> bool:
        return any(each.ends(self._a_while, waited) for _, each in self._concerning())

    def _concerning(self) -> list[tuple[asyncio.Task[Any], _Request]]:
        requests = list(self._requests.items())
        return [each for each in requests if self._recorder.concerns(each[1].owner)]

    def _tasks(self) -> Iterator[str]:
        """Where the app's other tasks are: middleware, for one, runs the handler in one."""
        loops = {task.get_loop() for task in list(self._requests)}
        for task in (task for loop in loops for task in asyncio.all_tasks(loop)):
            where = _waits_at(task.get_coro()) if task not in self._requests else None
            if where is not None:
                yield f"a task of the app: {where}"


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
    """Where the threads are in which the app's code blocks."""
    yield from (f"a thread of the app: {where}" for where in _places(*_POOLS))


def _blocked() -> str | None:
    """The line of the user's code that keeps the server's event loop from everything else."""
    before = next(_places(THREAD), None)
    if before is None:
        return None
    time.sleep(_BLOCKED)
    return before if next(_places(THREAD), None) == before else None


def _places(*names: str) -> Iterator[str]:
    """Where in the user's code the threads are whose names begin with one of ``names``."""
    frames = sys._current_frames()
    for thread in threading.enumerate():
        if thread.name.startswith(names) and thread.ident in frames:
            frame: FrameType | None = frames[thread.ident]
            while frame is not None and (shown := _shown(frame)) is None:
                frame = frame.f_back
            if frame is not None:
                yield str(shown)


def _shown(frame: FrameType) -> str | None:
    file, function = frame.f_code.co_filename, frame.f_code.co_name
    return place(file, frame.f_lineno, function) if is_own(file) else None
