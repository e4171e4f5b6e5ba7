"""What ``flash run`` and the process that serves the app say to each other.

Both ends are this package at this version, so messages are its own dataclasses, pickled by
``multiprocessing.connection``. The end of the stream means that the other side died.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from ..events import Event
from ..session import Identity
from ..target import Target
from .locate import AppLocation
from .options import ProvisionOptions


@dataclass(frozen=True)
class Assignment:
    """What a serving process is to do. ``listener`` is an inherited file descriptor."""

    location: AppLocation
    target: Target
    identity: Identity
    env_file: Path | None
    listener: int
    url: str
    generation: int
    provision: ProvisionOptions


@dataclass(frozen=True)
class Stop:
    """End within ``grace`` seconds."""

    grace: float


@dataclass(frozen=True)
class Question:
    """Something that only a person can decide."""

    text: str


@dataclass(frozen=True)
class Answer:
    """What the person said."""

    yes: bool


class Link:
    """The serving process's end."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._sending = threading.Lock()

    def assignment(self) -> Assignment:
        """The first message. Ends the process when the other side died before sending it."""
        try:
            message = self._connection.recv()
        except (EOFError, OSError):
            os._exit(1)
        if not isinstance(message, Assignment):
            os._exit(0)  # Told to stop before there was anything to do.
        return message

    def follow(self, on_stop: Callable[[float], None]) -> None:
        """From now on, react to messages; end the process when the other side dies."""
        threading.Thread(
            target=self._follow, args=(on_stop,), name="flash-link", daemon=True
        ).start()

    def report(self, event: Event) -> None:
        """Tell what happened. From any thread."""
        with self._sending:
            self._connection.send(event)

    def ask(self, text: str) -> bool:
        """Have a person decide; blocks until they have."""
        with self._sending:
            self._connection.send(Question(text))
        return self._answers.get()

    def _follow(self, on_stop: Callable[[float], None]) -> None:
        while True:
            try:
                message = self._connection.recv()
            except (EOFError, OSError):
                # Our parent is gone, killed perhaps: nothing of ours may stay.
                os._exit(1)
            if isinstance(message, Stop):
                on_stop(message.grace)
            elif isinstance(message, Answer):
                self._answers.put(message.yes)
