"""The parent of the serving processes: imports what each of them needs, and forks them.

It has one thread and runs no code of the project. Where forking is not safe (another thread runs
here, or the system is not Linux) it starts a new interpreter instead. As the parent it also
learns how each serving process ended, and ends what it left running. ``spawner`` is the other
side.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import linecache
import os
import random
import select
import signal
import socket
import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

from ...process.orphans import adopt_orphans, at_death_of_parent, children_of, die_with_parent
from .fork_server_start import child_program, forks
from .preload import Module, Preloader, Unfit, thread_count

# What the serving process imports when it needs it.
_SERVING = (
    "pytest_flash.runner.reload.serving_main",
    "pytest_flash.runner.serving.served_connection",
)

Sockets = tuple[int, int, int]


@dataclass(frozen=True)
class Setup:
    """The first message. The descriptors of the three sockets follow: see ``serving_main.main``."""

    root: Path


@dataclass(frozen=True)
class StartProcess:
    """Start a serving process. The descriptor of its link follows."""

    number: int


@dataclass(frozen=True)
class Kill:
    """End a serving process at once."""

    pid: int


@dataclass(frozen=True)
class Preload:
    """Import ``modules`` for the processes to come; ``excluded`` are top-level names."""

    modules: tuple[Module, ...]
    environment: dict[str, str]
    excluded: frozenset[str]


@dataclass(frozen=True)
class Started:
    """The process of ``Start`` number ``number`` runs."""

    number: int
    pid: int


@dataclass(frozen=True)
class Stale:
    """It was not started: ``file``, of a module that is imported here, has changed, or, where that
    is empty, such a module is unfit."""

    number: int
    file: str


@dataclass(frozen=True)
class Ended:
    """A serving process ended; negative codes are signals."""

    pid: int
    code: int


Report = Started | Stale | Ended | Unfit


def descriptors_of_child(control: int, *, fork: bool) -> tuple[int, Sockets]:
    """Be a parent until the other side of ``control`` ends; returns in each forked child.

    What it returns there are the arguments of ``serving_main.main``.
    """
    os.set_inheritable(control, False)
    # While this process imports something it reads nothing, so not even the end of ``control``.
    at_death_of_parent(lambda: os._exit(0))
    forking = forks(fork)
    if forking:
        for name in _SERVING:
            importlib.import_module(name)
        gc.freeze()  # As after a preload.
        gc.enable()
    connection = Connection(control)
    passing = socket.socket(fileno=os.dup(control))
    try:
        setup: Setup = connection.recv()
        _, sockets, _, _ = socket.recv_fds(passing, 1, 3)
    except (EOFError, OSError):
        os._exit(0)
    listener, take, give = sockets
    zygote = _Zygote(connection, passing, setup.root, (listener, take, give), fork=forking)
    return zygote.run(), (listener, take, give)


class _Zygote:
    def __init__(
        self,
        control: Connection,
        passing: socket.socket,
        root: Path,
        sockets: Sockets,
        *,
        fork: bool,
    ) -> None:
        self._control = control
        self._passing = passing
        self._sockets = sockets
        self._children: dict[int, int] = {}
        self._woken, self._wake = socket.socketpair()
        for end in (self._woken, self._wake):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        adopt_orphans()
        at_death_of_parent(self._end)
        self._fork = fork
        self._preloader = Preloader(root)
        self._spoilt = False

    def run(self) -> int:
        """Serve the control connection; the link's descriptor in each forked child."""
        while True:
            control, woken = self._control.fileno(), self._woken.fileno()
            ready, _, _ = select.select([control, woken], [], [])
            if woken in ready:
                self._woken.recv(4096)
                self._reap()
            if control in ready and (link := self._obey()) is not None:
                return link

    def _obey(self) -> int | None:
        """Do what the next message says; the link's descriptor in a child that was forked."""
        try:
            message = self._control.recv()
        except (EOFError, OSError):
            self._end()
        if isinstance(message, StartProcess):
            return self._start(message)
        if isinstance(message, Kill):
            self._kill(message.pid)
        elif isinstance(message, Preload):
            self._preload(message)
        return None

    def _start(self, message: StartProcess) -> int | None:
        """Start a process; its link's descriptor in the child that was forked."""
        _, (link, *_), _, _ = socket.recv_fds(self._passing, 1, 1)
        os.set_inheritable(link, False)
        file = self._stale_file() if self._fork else None
        if file is not None:
            os.close(link)
            self._report(Stale(message.number, file))
            return None
        forks = self._fork and thread_count() == 1
        parent = os.getpid()
        pid = os.fork() if forks else self._spawn(link)
        if pid == 0:
            self._become_child(parent)
            return link
        os.close(link)
        self._children[pid] = message.number
        self._report(Started(message.number, pid))
        return None

    def _stale_file(self) -> str | None:
        """As ``Stale`` says; None if what is imported here is good for a process."""
        return "" if self._spoilt else self._preloader.changed_file()

    def _spawn(self, link: int) -> int:
        for each in (link, *self._sockets):
            os.set_inheritable(each, True)
        source = child_program(link, self._sockets)
        return os.posix_spawn(sys.executable, [sys.executable, "-c", source], os.environ)

    def _become_child(self, parent: int) -> None:
        """Forget what only the parent has, and what must not be the same in every child."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for each in (self._control, self._passing, self._woken, self._wake):
            each.close()
        die_with_parent()
        signal.signal(signal.SIGUSR2, signal.SIG_DFL)
        if os.getppid() != parent:
            os._exit(1)  # It died before the line above.
        random.seed()
        if "numpy.random" in sys.modules:
            sys.modules["numpy.random"].seed()
        linecache.clearcache()
        importlib.invalidate_caches()
        sys.path_importer_cache.clear()

    def _preload(self, message: Preload) -> None:
        if not self._fork:
            return
        unfit = self._preloader.load(message.modules, message.environment, message.excluded)
        if unfit is not None:
            # What is asked before the report is read must not be started from here either.
            self._spoilt = True
            self._report(unfit)
        gc.collect()
        gc.freeze()  # A child that collects garbage would copy every page of these objects.

    def _kill(self, pid: int) -> None:
        if pid in self._children:
            os.kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        """Report the children that ended, and end what they left running."""
        ended = False
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if self._children.pop(pid, None) is not None:
                ended = True
                self._report(Ended(pid, os.waitstatus_to_exitcode(status)))
        if ended:
            self._end_strays()

    def _end_strays(self) -> None:
        """Kill the processes that came to us as orphans: an ended app's own subprocesses."""
        for pid in children_of(os.getpid()) - set(self._children):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def _end(self) -> NoReturn:
        """`flash run` is gone: nothing that hangs on this process may stay."""
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        for pid in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # A child whose threads are still ending keeps its own children: wait for the last one.
        with contextlib.suppress(ChildProcessError):
            while True:
                self._end_strays()
                pid, _ = os.waitpid(-1, 0)
                self._children.pop(pid, None)
        # Whatever modules registered for the end of a process is for the children to do.
        os._exit(0)

    def _report(self, report: Report) -> None:
        with contextlib.suppress(OSError):  # The other side has gone; the next read tells.
            self._control.send(report)
