"""The process that serves the app, seen from ``flash run``."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from ..events import Event
from .link import Answer, Assignment, Question, Stop

# Beyond the grace that was given, for what runs at the end of the app.
_OVERTIME = 0.5

# What is imported before the assignment is read overlaps with the emulator's start. Ctrl-C in a
# terminal reaches this process too: `flash run` answers it and tells this one what to do.
_PROGRAM = """\
import signal, sys
signal.signal(signal.SIGINT, lambda *_: None)
sys.path[:] = [entry for entry in sys.path if entry]
from pytest_flash.runner.child import main
main({descriptor})
"""


class ServingProcess:
    """Starts the process, follows what it reports and ends it."""

    def __init__(
        self,
        listener: socket.socket,
        *,
        on_event: Callable[[Event], None],
        on_question: Callable[[str], bool],
    ) -> None:
        self._on_event = on_event
        self._on_question = on_question
        self._loop = asyncio.get_running_loop()
        ours, theirs = Pipe(duplex=True)
        self._connection: Connection = ours
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM.format(descriptor=theirs.fileno())],
                pass_fds=(theirs.fileno(), listener.fileno()),
            )
        self.ended: asyncio.Future[int] = self._loop.create_future()
        self._loop.add_reader(ours.fileno(), self._receive)

    def assign(self, assignment: Assignment) -> None:
        """Say what to serve."""
        self._send(assignment)

    async def stop(self, grace: float) -> None:
        """End the process: by asking, and by force when ``grace`` seconds were not enough."""
        self._send(Stop(grace))
        done, _ = await asyncio.wait([self.ended], timeout=grace + _OVERTIME)
        if not done:
            self._process.kill()
            await self.ended

    def kill(self) -> None:
        """End the process at once, and let go of it."""
        self._process.kill()
        self._process.wait()
        if not self._connection.closed:
            self._loop.remove_reader(self._connection.fileno())
            self._connection.close()

    def _send(self, message: object) -> None:
        # Where it ended by itself, or was closed on its end, `ended` tells.
        with contextlib.suppress(OSError):
            self._connection.send(message)

    def _receive(self) -> None:
        try:
            message = self._connection.recv()
        except (EOFError, OSError):
            self._finish()
            return
        if isinstance(message, Question):
            # Not in an executor: at the end it would be waited for, and a person may not answer.
            threading.Thread(target=self._answer, args=(message,), daemon=True).start()
        else:
            self._on_event(message)

    def _answer(self, question: Question) -> None:
        answer = Answer(self._on_question(question.text))
        with contextlib.suppress(RuntimeError):  # Everything has ended meanwhile.
            self._loop.call_soon_threadsafe(self._send, answer)

    def _finish(self) -> None:
        """The connection closed, so the process is ending."""
        self._loop.remove_reader(self._connection.fileno())
        self._connection.close()
        waiting = self._loop.run_in_executor(None, self._process.wait)
        waiting.add_done_callback(lambda done: self.ended.set_result(done.result()))
