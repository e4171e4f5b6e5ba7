"""Starting serving processes, seen from ``flash run``: through a parent that is warm.

The parent (``fork_server``) is replaced when it turns out to be unfit: a module that it imported
has changed, started a thread or looked at the project.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from ...process.exit_status import is_stopped
from ...process.orphans import Adopted
from .fork_server import Ended, Kill, Preload, Setup, Stale, Started, StartProcess
from .fork_server_start import ParentProcess, start_parent
from .ipc_messages import NewModules
from .preload import Module, Unfit
from .serving_process import ServingProcess, Watcher

_END_LIMIT = 3.0
# How long a parent may take to end a process that it was told to end.
_KILL_LIMIT = 0.5
# Each one that is unfit costs a new parent.
_MOST_EXCLUDED = 8


@dataclass(frozen=True)
class SpawnContext:
    """The project's folder, and what every serving process inherits.

    That is the listening socket, and both ends of the pair in which open connections are parked.
    ``parent_limit`` is how many seconds a parent may take to start one.
    """

    root: Path
    sockets: tuple[socket.socket, ...]
    fork: bool
    parent_limit: float


@dataclass
class _Parent:
    """One parent process, with those of its children that have not ended."""

    process: subprocess.Popen[bytes]
    control: Connection
    waiting: dict[int, tuple[ServingProcess, int]] = field(default_factory=dict)
    children: dict[int, ServingProcess] = field(default_factory=dict)

    def kill(self) -> None:
        """End it at once, and its children with it: on Linux they die with their parent."""
        self.process.kill()
        for pid in self.children:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def send(self, message: object) -> None:
        # Where it has died, the end of the connection tells.
        with contextlib.suppress(OSError):
            self.control.send(message)

    def pass_on(self, *descriptors: int) -> None:
        with (
            contextlib.suppress(OSError),
            socket.socket(fileno=os.dup(self.control.fileno())) as passing,
        ):
            socket.send_fds(passing, [b"\0"], descriptors)


class Spawner:
    """Starts serving processes; all of them end with it, and what they leave running.

    That is for their parent to do, and for ``adopted`` where the parent cannot.
    """

    def __init__(
        self,
        context: SpawnContext,
        watcher: Watcher,
        first: ParentProcess,
        adopted: Adopted,
    ) -> None:
        self._context = context
        self._watcher = watcher
        self._orphans = adopted
        self._loop = asyncio.get_running_loop()
        self._numbers = 0
        self._modules: dict[str, Module] = {}
        self._learns = True
        self._excluded: frozenset[str] = frozenset()
        self._edited: frozenset[str] = frozenset()
        self._parents = [self._adopted(first)]

    def start(self) -> ServingProcess:
        """Start a process; it waits for its assignment."""
        ours, theirs = Pipe(duplex=True)
        descriptor = os.dup(theirs.fileno())
        theirs.close()
        process = ServingProcess(ours, self._watcher, self._learn)
        self._ask(process, descriptor)
        return process

    def forget(self) -> None:
        """Import nothing ahead that was imported under an environment that is no more."""
        if self._modules:
            self._replace_parent()

    def close(self) -> None:
        """End every process at once."""
        for parent in self._parents:
            self._let_go(parent)
        for parent in self._parents:
            try:
                parent.process.wait(_END_LIMIT if not is_stopped(parent.process.pid) else 0)
            except subprocess.TimeoutExpired:
                parent.kill()
                parent.process.wait()
        self._end_orphans()

    def _ask(self, process: ServingProcess, descriptor: int) -> None:
        parent = self._parents[-1]
        if parent.control.closed or is_stopped(parent.process.pid):  # Its children may go on.
            self._replace_parent()
        parent = self._parents[-1]
        self._numbers += 1
        parent.waiting[self._numbers] = process, descriptor
        parent.send(StartProcess(self._numbers))
        parent.pass_on(descriptor)
        self._loop.call_later(self._context.parent_limit, self._give_up, parent, self._numbers)

    def _give_up(self, parent: _Parent, number: int) -> None:
        """A parent that does not start what it was asked to hangs in an import: learn no more.

        One that was not told to import anything is only slow.
        """
        self._look_at(parent)
        if number not in parent.waiting or not self._modules:
            return
        process, descriptor = parent.waiting.pop(number)
        self._learns = False
        if parent is self._parents[-1]:
            self._replace_parent()
        self._ask(process, descriptor)

    def _adopted(self, started: ParentProcess) -> _Parent:
        """Tell a parent what it needs to know, and hear what it reports."""
        parent = _Parent(started.process, Connection(started.control))
        parent.send(Setup(self._context.root))
        parent.pass_on(*(each.fileno() for each in self._context.sockets))
        self._loop.add_reader(parent.control.fileno(), self._receive, parent)
        return parent

    def _replace_parent(self) -> None:
        """From now on start from a parent that has imported nothing beyond the framework."""
        self._modules.clear()
        self._parents.append(self._adopted(start_parent(fork=self._context.fork)))
        self._release_old()

    def _learn(self, learned: NewModules) -> None:
        """Have the parent import what a serving process has imported."""
        if not self._learns:
            return
        self._modules.update((each.name, each) for each in learned.modules)
        if learned.modules:
            excluded = self._excluded | self._edited
            preload = Preload(tuple(learned.modules), learned.environment, excluded)
            self._parents[-1].send(preload)

    def _receive(self, parent: _Parent) -> None:
        try:
            message = parent.control.recv()
        except (EOFError, OSError):
            self._lost(parent)
            return
        if isinstance(message, Started):
            if message.number not in parent.waiting:
                parent.send(Kill(message.pid))  # Too late: another one was started.
                return
            process, descriptor = parent.waiting.pop(message.number)
            os.close(descriptor)
            parent.children[message.pid] = process
            process.started(
                message.pid,
                kill=lambda: self._kill(parent, message.pid),
                on_silence=lambda: self._look_at(parent),
            )
        elif isinstance(message, Stale):
            if message.number not in parent.waiting:
                return
            process, descriptor = parent.waiting.pop(message.number)
            # Whoever edits a library will do so again: from now on it costs no parent.
            files = {each.file: each.name for each in self._modules.values()}
            if message.file in files:
                self._edited |= {files[message.file].partition(".")[0]}
            if parent is self._parents[-1]:
                self._replace_parent()
            self._ask(process, descriptor)
        elif isinstance(message, Unfit):
            self._exclude(parent, message)
        elif isinstance(message, Ended):
            if message.pid in parent.children:
                parent.children.pop(message.pid).finish(message.code)
            self._release_old()

    def _kill(self, parent: _Parent, pid: int) -> None:
        """Have ``parent`` kill a process; where it is busy or stopped, do it from here."""
        parent.send(Kill(pid))

        def insist() -> None:
            # Until the parent has said so, no other process has this id.
            if pid in parent.children:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
                self._look_at(parent)

        self._loop.call_later(_KILL_LIMIT, insist)

    def _look_at(self, parent: _Parent) -> None:
        """``parent`` does not say what it should: give it up if it is stopped."""
        if parent.control.closed or not is_stopped(parent.process.pid):
            return
        waiting = list(parent.waiting.values())
        parent.waiting.clear()
        if parent is self._parents[-1]:
            self._replace_parent()
        parent.kill()  # The end of its connection tells the rest.
        for process, descriptor in waiting:
            self._ask(process, descriptor)

    def _exclude(self, parent: _Parent, unfit: Unfit) -> None:
        """Start again without that module, unless there were too many already."""
        if parent is not self._parents[-1]:
            return
        modules = tuple(self._modules.values())
        self._excluded |= {unfit.name.partition(".")[0]}
        self._replace_parent()
        if len(self._excluded) <= _MOST_EXCLUDED:
            self._learn(NewModules(modules, unfit.environment))

    def _release_old(self) -> None:
        """End the parents that were replaced and have no children any more."""
        for parent in self._parents[:-1]:
            if not parent.waiting and not parent.children:
                self._let_go(parent)
        current = self._parents[-1]
        self._parents = [
            each for each in self._parents if each is current or each.process.poll() is None
        ]

    def _let_go(self, parent: _Parent) -> None:
        if not parent.control.closed:
            self._loop.remove_reader(parent.control.fileno())
            parent.control.close()
            if is_stopped(parent.process.pid):
                parent.kill()  # It would not notice.

    def _lost(self, parent: _Parent) -> None:
        """A parent died, and its children with it."""
        self._let_go(parent)
        code = parent.process.wait()
        for process in parent.children.values():
            process.finish(code)
        for process, descriptor in parent.waiting.values():
            os.close(descriptor)
            process.finish(code)
        parent.children.clear()
        parent.waiting.clear()
        self._end_orphans()

    def _end_orphans(self) -> None:
        """End what the processes of a parent that died have left running."""
        self._orphans.end({each.process.pid for each in self._parents})
