"""What ``flash run`` and the process that serves the app say to each other.

Both ends are this package at this version, so messages are its own dataclasses, pickled by
``multiprocessing.connection``. The end of the stream means that the other side died.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ...process.messages import OutgoingMessages
from ...user_files import Saved
from ..app.locate import AppLocation
from ..app.options import ProvisionOptions

if TYPE_CHECKING:
    from ...console.history import Recorded
    from ...events import Event
    from ...project import Project
    from ...provisioner.state.session_processes import User
    from ...target import Target
    from ..console.event_hub import ConsoleAssignment
    from .preload import Module

# Seconds, at the end of a process: in all, and in which nothing is read.
_FLUSHING, _FLUSHING_PAUSE = 2.0, 0.5

EXPLAINED = 79
"""Exit code of a serving process that has reported why it cannot serve."""


@dataclass(frozen=True)
class Assignment:
    """What a serving process is to do.

    ``broken`` is a text to answer every request with, in place of the app. ``reload`` says that
    a process with a broken app stays. ``console`` is what it needs to serve the console beside
    the app; ``sources`` is what earlier processes found out about those of the app. The target
    follows, since the emulator may still start; ``live`` says of which kind it is, and ``granted``
    that the command line said so. ``guest_state`` is the session's folder for what official SDKs
    remember of the embedded one. With ``note_writes`` it says which files it has written.
    With ``in_process`` remote functions run in the process itself.
    """

    location: AppLocation
    project: Project
    namespace: str
    user: User
    env_file: Path | None
    url: str
    generation: int
    reload: bool
    log_level: str
    access_log: bool
    root_path: str
    provision: ProvisionOptions
    live: bool
    granted: bool
    guest_state: Path
    in_process: bool = False
    broken: str | None = None
    note_writes: bool = False
    console: ConsoleAssignment | None = None
    sources: Mapping[str, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Provide:
    """Where remote functions run."""

    target: Target


@dataclass(frozen=True)
class Begin:
    """Run the app's lifespan and accept: the earlier process accepts no more."""


@dataclass(frozen=True)
class Stop:
    """End within ``grace`` seconds; with ``hand_over`` give idle connections away."""

    grace: float
    hand_over: bool = False


@dataclass(frozen=True)
class AppLoaded:
    """The app was imported, or is ``broken``; the process waits for ``Begin``."""

    broken: bool


@dataclass(frozen=True)
class Accepting:
    """The process answers requests."""


@dataclass(frozen=True)
class NewModules:
    """Modules that later processes will import as well. ``environment`` is what ``.env`` added."""

    modules: tuple[Module, ...]
    environment: dict[str, str]


@dataclass(frozen=True)
class NewFilesBeside:
    """Files of the user's own outside of the project, as they were saved when they were loaded."""

    files: dict[str, Saved]


@dataclass(frozen=True)
class FilesLoaded:
    """The user's own files that the app has loaded, with a digest of each one's content."""

    files: dict[str, bytes]


@dataclass(frozen=True)
class FilesWritten:
    """What the app has written by the time that it is ready; None where that may be any file."""

    files: frozenset[str] | None


@dataclass(frozen=True)
class SourcesKnown:
    """What was found out about the sources of the app's modules, by their names, for later
    processes: in a large project that takes longer than their import."""

    sources: dict[str, bytes]


@dataclass(frozen=True)
class Closed:
    """From here on this process accepts nothing."""


@dataclass(frozen=True)
class Finished:
    """The app's lifespan is over."""


@dataclass(frozen=True)
class Settling:
    """The process would end, but a management request is under way: give it ``seconds`` more."""

    seconds: float


@dataclass(frozen=True)
class Question:
    """Something that only a person can decide."""

    text: str


@dataclass(frozen=True)
class UserAnswer:
    """What the person said."""

    yes: bool


Report = (
    AppLoaded
    | Accepting
    | NewModules
    | NewFilesBeside
    | FilesLoaded
    | FilesWritten
    | SourcesKnown
    | Closed
    | Finished
    | Settling
    | Question
)


class SupervisorHandler(Protocol):
    """What reacts to ``flash run``; called in the link's thread."""

    def begin(self) -> None:
        """Serve."""

    def stop(self, grace: float, *, hand_over: bool) -> None:
        """End."""

    def hear(self, recorded: Recorded) -> None:
        """Something was reported, by any process."""


class SupervisorLink:
    """The serving process's end."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._target: Target | None = None
        self._provided = threading.Event()
        self._outgoing = OutgoingMessages(connection.fileno())

    def assignment(self) -> Assignment:
        """The first message. Ends the process when the other side died before sending it."""
        try:
            message = self._connection.recv()
        except (EOFError, OSError):
            os._exit(1)
        if not isinstance(message, Assignment):
            os._exit(0)  # Told to stop before there was anything to do.
        return message

    def follow(self, follower: SupervisorHandler) -> None:
        """From now on, react to messages; end the process when the other side dies."""
        threading.Thread(
            target=self._follow, args=(follower,), name="flash-link", daemon=True
        ).start()

    def report(self, message: Event | Report) -> None:
        """Tell what happened. From any thread, and without waiting: `flash run` may be stopped."""
        self._outgoing.send(message, droppable=not isinstance(message, Report))

    def flush(self) -> None:
        """Return when everything was sent, or nobody reads it."""
        self._outgoing.flush(_FLUSHING, _FLUSHING_PAUSE)

    def ask(self, text: str) -> bool:
        """Have a person decide; blocks until they have."""
        self.report(Question(text))
        return self._answers.get()

    def target(self, timeout: float | None = None) -> Target:
        """Where remote functions run; blocks until that is known.

        Raises TimeoutError where that takes longer than ``timeout`` seconds.
        """
        if not self._provided.wait(timeout):
            raise TimeoutError(f"the target of remote functions is not known after {timeout:g} s")
        assert self._target is not None
        return self._target

    def _follow(self, follower: SupervisorHandler) -> None:
        while True:
            try:
                message = self._connection.recv()
            except (EOFError, OSError):
                # `flash run` is gone, killed perhaps: nothing of ours may stay. Our parent ends
                # what the app leaves running, which it cannot while it is stopped.
                with contextlib.suppress(OSError):
                    os.kill(os.getppid(), signal.SIGCONT)
                os._exit(1)
            if isinstance(message, Provide):
                self._target = message.target
                self._provided.set()
            elif isinstance(message, Begin):
                follower.begin()
            elif isinstance(message, Stop):
                follower.stop(message.grace, hand_over=message.hand_over)
            elif isinstance(message, UserAnswer):
                self._answers.put(message.yes)
            else:
                follower.hear(message)
