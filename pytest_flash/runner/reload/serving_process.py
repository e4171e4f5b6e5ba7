"""The process that serves the app, seen from ``flash run``."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, cast

from ...clock import wall_time
from ...console.history import Recorded
from ...events import Event
from ...process.exit_status import has_ended
from ...process.messages import IncomingMessages, OutgoingMessages
from ...target import Target
from ...user_files import Saved
from .ipc_messages import (
    Accepting,
    AppLoaded,
    Assignment,
    Begin,
    Closed,
    FilesLoaded,
    FilesWritten,
    Finished,
    NewFilesBeside,
    NewModules,
    Provide,
    Question,
    Settling,
    SourcesKnown,
    Stop,
    UserAnswer,
)

# Beyond the grace that was given, for what runs at the end of the app.
_OVERTIME = 0.5
# How long its parent may take to say that it has ended, or to end it.
_WORD = 0.5
_LOOK = 0.05


def _nothing() -> None:
    """It has not started yet."""


@dataclass(frozen=True)
class Watcher:
    """Who hears what serving processes report, with the generation that they serve."""

    on_event: Callable[[Event, int], None]
    on_question: Callable[[str], bool]
    on_files: Callable[[dict[str, Saved]], None]
    on_loaded: Callable[[dict[str, bytes], int], None]
    on_written: Callable[[frozenset[str] | None, int], None]
    on_sources: Callable[[dict[str, bytes]], None]


class ServingProcess:
    """Follows what the process reports, and ends it.

    ``loaded`` tells whether its app could be imported, ``closed`` that it accepts no more,
    ``finished`` that its app's lifespan is over, and ``ended`` its exit code. The others are
    done as well once it has ended. ``ready_at`` is when it began to answer, in seconds since the
    epoch.
    """

    def __init__(
        self, connection: Connection, watcher: Watcher, on_learned: Callable[[NewModules], None]
    ) -> None:
        self._connection = connection
        self._outgoing = OutgoingMessages(connection.fileno())
        self._incoming = IncomingMessages(connection.fileno())
        self._watcher = watcher
        self._on_learned = on_learned
        self._loop = asyncio.get_running_loop()
        self._pid: int | None = None
        self._kill: Callable[[], None] | None = None
        self._on_silence: Callable[[], None] = _nothing
        self._killed = False
        self._extra = 0.0
        self._generation = 0
        self.loaded: asyncio.Future[bool] = self._loop.create_future()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self.finished: asyncio.Future[None] = self._loop.create_future()
        self.ended: asyncio.Future[int] = self._loop.create_future()
        self._parted: asyncio.Future[None] = self._loop.create_future()
        self.begun = False
        self.ready_at: float | None = None
        self._loop.add_reader(connection.fileno(), self._receive)

    @property
    def broken(self) -> bool:
        """Whether it has turned out that its app cannot be served."""
        return self.ended.done() or (self.loaded.done() and not self.loaded.result())

    def assign(self, assignment: Assignment) -> None:
        """Say what to serve."""
        self._generation = assignment.generation
        self._send(assignment)

    def tell(self, recorded: Recorded) -> None:
        """Have its console show what was reported."""
        with contextlib.suppress(OSError):  # As in ``_send``.
            # One that hangs, and reads nothing, misses this some day.
            self._outgoing.send(recorded, droppable=True)

    def provide(self, target: Target) -> None:
        """Say where remote functions run."""
        self._send(Provide(target))

    def begin(self) -> None:
        """Have it accept connections as soon as it can."""
        self.begun = True
        self._send(Begin())

    async def stop(self, grace: float, *, hand_over: bool = False) -> None:
        """End the process: by asking, and by force when ``grace`` seconds were not enough."""
        self._send(Stop(grace, hand_over))
        deadline = self._loop.time() + grace + _OVERTIME
        signs: tuple[asyncio.Future[Any], ...] = self.ended, self._parted
        while not any(each.done() for each in signs):
            left = deadline + self._extra - self._loop.time()
            if left <= 0:
                break
            await asyncio.wait(signs, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        if self._parted.done() and await self._has_gone(deadline + self._extra):
            return
        self.kill()
        await self._has_gone(self._loop.time() + 2 * _WORD)

    async def _has_gone(self, deadline: float) -> bool:
        """Wait until it has ended, as its parent says, or the system, if that is busy or stopped.

        False after ``deadline``, a time of the loop.
        """
        silence = self._loop.time() + _WORD
        while not self.ended.done():
            now = self._loop.time()
            if now > silence and (self._pid is None or has_ended(self._pid)):
                self.finish(-signal.SIGKILL)
            elif now > deadline:
                return False
            await asyncio.wait([self.ended], timeout=_LOOK)
        return True

    def kill(self) -> None:
        """End the process at once."""
        self._killed = True
        if self._kill is not None:
            self._kill()

    def started(self, pid: int, kill: Callable[[], None], on_silence: Callable[[], None]) -> None:
        """It runs, and ``kill`` ends it.

        ``on_silence`` is called when it seems to have ended, and its parent says nothing.
        """
        self._pid, self._kill, self._on_silence = pid, kill, on_silence
        if self._killed:
            kill()

    def finish(self, code: int) -> None:
        """It has ended."""
        self._drain()
        if not self.loaded.done():
            self.loaded.set_result(False)
        for each in (self.closed, self.finished):
            if not each.done():
                each.set_result(None)
        if not self.ended.done():
            self.ended.set_result(code)

    def _send(self, message: object) -> None:
        # Where it ended by itself, or was closed on its end, `ended` tells.
        with contextlib.suppress(OSError):
            self._outgoing.send(message)

    def _drain(self) -> None:
        """Hear the last words, then close the connection."""
        while not self._connection.closed and self._connection.poll():
            self._receive()
        self._close()

    def _close(self) -> None:
        if not self._connection.closed:
            self._loop.remove_reader(self._connection.fileno())
            self._outgoing.close()
            self._connection.close()
            self._parted.set_result(None)
            self._loop.call_later(_WORD, self._note_silence)

    def _note_silence(self) -> None:
        if not self.ended.done():
            self._on_silence()

    def _receive(self) -> None:
        try:
            messages = self._incoming.read()
        except (EOFError, OSError):
            self._close()  # It is ending; its parent says how it did.
            return
        for each in messages:
            self._take(each)

    def _take(self, message: object) -> None:
        if isinstance(message, Question):
            # Not in an executor: at the end it would be waited for, and a person may not answer.
            threading.Thread(target=self._answer, args=(message,), daemon=True).start()
        elif isinstance(message, AppLoaded):
            if not self.loaded.done():  # A lifespan that fails is loaded twice.
                self.loaded.set_result(not message.broken)
        elif isinstance(message, Accepting):
            self.ready_at = self.ready_at or wall_time()
        elif isinstance(message, Closed):
            if not self.closed.done():  # A signal to all processes and our own order both close.
                self.closed.set_result(None)
        elif isinstance(message, Finished):
            self.finished.set_result(None)
        elif isinstance(message, NewModules):
            self._on_learned(message)
        elif isinstance(message, NewFilesBeside):
            self._watcher.on_files(message.files)
        elif isinstance(message, FilesLoaded):
            self._watcher.on_loaded(message.files, self._generation)
        elif isinstance(message, FilesWritten):
            self._watcher.on_written(message.files, self._generation)
        elif isinstance(message, SourcesKnown):
            self._watcher.on_sources(message.sources)
        elif isinstance(message, Settling):
            self._extra = message.seconds
        else:
            self._watcher.on_event(cast("Event", message), self._generation)

    def _answer(self, question: Question) -> None:
        answer = UserAnswer(self._watcher.on_question(question.text))
        with contextlib.suppress(RuntimeError):  # Everything has ended meanwhile.
            self._loop.call_soon_threadsafe(self._send, answer)
