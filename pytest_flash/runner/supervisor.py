"""``flash run``: opens the target, serves the app, and serves it again when its files change."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable

from ..console.door import Pass
from ..emulator.client import EmulatorProcess
from ..errors import EmulatorError, PortTakenError
from ..events import EventSink, PortTaken, TargetChosen
from ..project import Project, find_project
from ..provisioner.owner import choose_namespace
from ..provisioner.users import User
from ..session import Identity
from ..settings import Environment, read_environment
from ..target import Choice, Target, TargetKind, choose, embedded, open_live
from .desk import Desk
from .generations import Generations
from .link import Assignment
from .locate import locate
from .options import Address, RunOptions, address
from .parking import parking_pair
from .process import Watcher
from .serve import listen, url_of
from .spawner import Spawner, Surroundings
from .watch import changes

_PORTS_TO_TRY = 20
_EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 0, signal.SIGHUP: 0}


async def supervise(options: RunOptions, on_event: EventSink, ask: Callable[[str], bool]) -> int:
    """Run the dev server until a signal ends it; returns the exit code.

    ``ask`` puts a yes-or-no question to a person; it is called from a thread. Raises FlashError
    when the app, the target or the port cannot be had, and when the emulator ends by itself.
    """
    signals = _Signals()
    desk = Desk(on_event, None if options.console is None else Pass(options.console))
    location = locate(options.app, options.folder)
    environment = read_environment(location.folder, options.env_file)
    project = find_project(location.root)
    where = address(options, environment)
    choice = choose(options.target, environment)
    live = choice.kind is TargetKind.LIVE
    namespace = choose_namespace(options.namespace, environment, live=live)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(_listen(where, desk.tell))
        parked = [stack.enter_context(end) for end in parking_pair()]
        inherited = tuple(each.fileno() for each in (listener, *parked))
        surroundings = Surroundings(location.root, inherited, options.fork)
        # While the emulator starts, the parent of the serving processes imports what they need.
        spawner = Spawner(surroundings, Watcher(desk.tell, ask))
        stack.callback(spawner.close)
        target = await _open_target(
            choice, options, environment, project, desk.tell, stack, signals.stopped
        )
        desk.hide(target.api_key)
        assignment = Assignment(
            location=location,
            target=target,
            identity=Identity(project, namespace, "run", User.current()),
            env_file=options.env_file,
            listener=inherited[0],
            take=inherited[1],
            give=inherited[2],
            url=url_of(listener, where.host),
            generation=1,
            reload=options.reload and not options.provision.dry_run,
            log_level=options.log_level,
            provision=options.provision,
        )
        batches = changes(location.root) if options.reload else _never()
        generations = Generations(spawner, assignment, desk)
        return await generations.run(batches, signals.stopped, signals.insisted)


class _Signals:
    """``stopped`` is done, with the exit code, at a signal to end; ``insisted`` at the next one."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.stopped: asyncio.Future[int] = loop.create_future()
        self.insisted: asyncio.Future[None] = loop.create_future()
        for number, code in _EXIT_CODES.items():
            loop.add_signal_handler(number, self._stop, code)

    def _stop(self, code: int) -> None:
        if not self.stopped.done():
            self.stopped.set_result(code)
        elif not self.insisted.done():
            self.insisted.set_result(None)


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


async def _never() -> AsyncIterator[tuple[str, ...]]:
    await asyncio.get_running_loop().create_future()
    yield ()
