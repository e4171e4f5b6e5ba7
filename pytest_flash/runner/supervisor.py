"""``flash run``: opens the target, serves the app, and serves it again when its files change."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

from ..emulator.client import EmulatorProcess
from ..errors import EmulatorError, PortTakenError
from ..events import EventSink, PortTaken, Reloading, ServerEnded, TargetChosen
from ..project import Project, find_project
from ..provisioner.owner import choose_namespace
from ..provisioner.users import User
from ..session import Identity
from ..settings import Environment, read_environment
from ..target import Choice, Target, TargetKind, choose, embedded, open_live
from .link import Assignment
from .locate import locate
from .options import Address, RunOptions, address
from .process import ServingProcess
from .serve import listen, url_of
from .watch import changes

_RELOAD_GRACE = 5.0
_STOP_GRACE = 0.5
_PORTS_TO_TRY = 20
_EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 0, signal.SIGHUP: 0}
# The serving process reported why it ended.
_EXPLAINED = 1


async def supervise(options: RunOptions, on_event: EventSink, ask: Callable[[str], bool]) -> int:
    """Run the dev server until a signal ends it; returns the exit code.

    ``ask`` puts a yes-or-no question to a person; it is called from a thread. Raises FlashError
    when the app, the target or the port cannot be had, and when the emulator ends by itself.
    """
    stopped = _stop_signals()
    location = locate(options.app, options.folder)
    environment = read_environment(location.folder, options.env_file)
    project = find_project(location.root)
    where = address(options, environment)
    choice = choose(options.target, environment)
    live = choice.kind is TargetKind.LIVE
    namespace = choose_namespace(options.namespace, environment, live=live)
    identity = Identity(project, namespace, "run", User.current())
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(_listen(where, on_event))
        spawn = functools.partial(ServingProcess, listener, on_event=on_event, on_question=ask)
        server = _DevServer(spawn, stopped, on_event)
        stack.callback(server.kill)
        # While the emulator starts, the first serving process imports what it will need.
        target = await _open_target(choice, options, environment, project, on_event, stack, stopped)
        assignment = Assignment(
            location=location,
            target=target,
            identity=identity,
            env_file=options.env_file,
            listener=listener.fileno(),
            url=url_of(listener, where.host),
            generation=1,
            provision=options.provision,
        )
        return await server.run(assignment, changes(location.root) if options.reload else None)


class _DevServer:
    """One serving process after another, until a signal."""

    def __init__(
        self, spawn: Callable[[], ServingProcess], stopped: asyncio.Future[int], on_event: EventSink
    ) -> None:
        self._spawn = spawn
        self._stopped = stopped
        self._on_event = on_event
        self._process = spawn()

    async def run(
        self, assignment: Assignment, batches: AsyncIterator[tuple[str, ...]] | None
    ) -> int:
        """Serve ``assignment``, anew after each of ``batches`` of changed files."""
        self._process.assign(assignment)
        while True:
            change = asyncio.ensure_future(_next(batches))
            await _first(self._stopped, self._process.ended, change)
            if change.done() and not self._stopped.done():
                self._on_event(Reloading(change.result()))
                assignment = replace(assignment, generation=assignment.generation + 1)
                await self._replace(assignment)
                continue
            change.cancel()
            if self._stopped.done():
                await self._process.stop(_STOP_GRACE)
                return self._stopped.result()
            code = self._process.ended.result()
            return code if assignment.provision.dry_run else self._ended(code)

    def kill(self) -> None:
        """End the serving process at once."""
        self._process.kill()

    async def _replace(self, assignment: Assignment) -> None:
        old, self._process = self._process, self._spawn()
        await _first(self._stopped, asyncio.ensure_future(old.stop(_RELOAD_GRACE)))
        old.kill()
        self._process.assign(assignment)

    def _ended(self, code: int) -> int:
        if code != _EXPLAINED:
            self._on_event(ServerEnded(code))
        return code if code > 0 else 1


async def _open_target(
    choice: Choice,
    options: RunOptions,
    environment: Environment,
    project: Project,
    on_event: EventSink,
    stack: contextlib.ExitStack,
    stopped: asyncio.Future[int],
) -> Target:
    if choice.kind is TargetKind.LIVE:
        granted = options.target is TargetKind.LIVE
        target = open_live(environment, reason=choice.reason, granted=granted)
    else:
        emulator = await asyncio.to_thread(EmulatorProcess.start, project.root)
        stack.callback(emulator.stop)
        _end_with(emulator, stopped)
        target = embedded(
            emulator.management_url, emulator.queue_url, emulator.api_key, choice.reason
        )
    on_event(TargetChosen(target.kind.value, target.management_url, choice.reason, choice.remedy))
    return target


def _listen(where: Address, on_event: EventSink) -> socket.socket:
    """The listening socket; where no port was asked for, the next free one does."""
    if where.fixed:
        return listen(where.host, where.port)
    for port in range(where.port, where.port + _PORTS_TO_TRY):
        with contextlib.suppress(PortTakenError):
            listener = listen(where.host, port)
            if port != where.port:
                on_event(PortTaken(wanted=where.port, used=port))
            return listener
    return listen(where.host, where.port)


def _end_with(emulator: EmulatorProcess, stopped: asyncio.Future[int]) -> None:
    """Make ``stopped`` fail when the emulator ends by itself: no call could succeed any more."""
    loop = asyncio.get_running_loop()

    def fail(error: EmulatorError) -> None:
        if not stopped.done():
            stopped.set_exception(error)

    def watch() -> None:
        error = emulator.wait()
        with contextlib.suppress(RuntimeError):  # The loop has ended, and the emulator after it.
            loop.call_soon_threadsafe(fail, error)

    threading.Thread(target=watch, name="flash-emulator", daemon=True).start()


def _stop_signals() -> asyncio.Future[int]:
    """Done, with the exit code, when a signal asks the process to end."""
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[int] = loop.create_future()

    def stop(code: int) -> None:
        if not stopped.done():
            stopped.set_result(code)

    for number, code in _EXIT_CODES.items():
        loop.add_signal_handler(number, stop, code)
    return stopped


async def _first(*futures: asyncio.Future[Any]) -> None:
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


async def _next(batches: AsyncIterator[tuple[str, ...]] | None) -> tuple[str, ...]:
    if batches is None:
        await asyncio.get_running_loop().create_future()
        raise AssertionError("nothing completes this future")
    return await anext(batches)
