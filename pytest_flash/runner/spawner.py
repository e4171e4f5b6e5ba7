"""Starting serving processes, seen from ``flash run``: through a parent that is warm.

The parent (``zygote``) is replaced when it turns out to be unfit: a module that it imported has
changed, started a thread or looked at the project.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from .link import Learned
from .preload import Module, Unfit
from .process import ServingProcess, Watcher
from .warm import ParentProcess, start_parent
from .zygote import Ended, Kill, Preload, Setup, Stale, Start, Started

_END_LIMIT = 3.0
# Longer than importing libraries takes, which is what a parent may be busy with.
_START_LIMIT = 10.0
# Each one that is unfit costs a new parent.
_MOST_EXCLUDED = 8


@dataclass(frozen=True)
class Surroundings:
    """The project's folder, and what every serving process inherits.

    That is the listening socket, and both ends of the pair in which open connections are parked.
    """

    root: Path
    sockets: tuple[socket.socket, ...]
    fork: bool


@dataclass
class _Parent:
    """One parent process, with those of its children that have not ended."""

    process: subprocess.Popen[bytes]
    control: Connection
    waiting: dict[int, tuple[ServingProcess, int]] = field(default_factory=dict)
    children: dict[int, ServingProcess] = field(default_factory=dict)

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
    """Starts serving processes; all of them end with it."""

    def __init__(self, surroundings: Surroundings, watcher: Watcher, first: ParentProcess) -> None:
        self._surroundings = surroundings
        self._watcher = watcher
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
                parent.process.wait(_END_LIMIT)
            except subprocess.TimeoutExpired:
                parent.process.kill()
                parent.process.wait()

    def _ask(self, process: ServingProcess, descriptor: int) -> None:
        if self._parents[-1].control.closed:  # It died.
            self._replace_parent()
        parent = self._parents[-1]
        self._numbers += 1
        parent.waiting[self._numbers] = process, descriptor
        parent.send(Start(self._numbers))
        parent.pass_on(descriptor)
        self._loop.call_later(_START_LIMIT, self._give_up, parent, self._numbers)

    def _give_up(self, parent: _Parent, number: int) -> None:
        """A parent that does not start what it was asked to hangs in an import: learn no more.

        One that was not told to import anything is only slow.
        """
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
        parent.send(Setup(self._surroundings.root))
        parent.pass_on(*(each.fileno() for each in self._surroundings.sockets))
        self._loop.add_reader(parent.control.fileno(), self._receive, parent)
        return parent

    def _replace_parent(self) -> None:
        """From now on start from a parent that has imported nothing beyond the framework."""
        self._modules.clear()
        self._parents.append(self._adopted(start_parent(fork=self._surroundings.fork)))
        self._release_old()

    def _learn(self, learned: Learned) -> None:
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
            process.started(lambda: parent.send(Kill(message.pid)))
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

    def _exclude(self, parent: _Parent, unfit: Unfit) -> None:
        """Start again without that module, unless there were too many already."""
        if parent is not self._parents[-1]:
            return
        modules = tuple(self._modules.values())
        self._excluded |= {unfit.name.partition(".")[0]}
        self._replace_parent()
        if len(self._excluded) <= _MOST_EXCLUDED:
            self._learn(Learned(modules, unfit.environment))

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
