"""``flash run``: opens the target, serves the app, and serves it again when its files change."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import signal
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

from ..console.token import ConsoleAccess
from ..events import EventSink, Notice, PortTaken
from ..files.scratch_folder import scratch_folder
from ..process.orphans import Adopted
from ..project import find_project, named_by_folder
from ..provisioner.owner import choose_namespace, undeploy_command
from ..provisioner.state.disk import FOLDER
from ..provisioner.state.live_sessions import session_in
from ..provisioner.state.session_processes import User
from ..settings import read_environment
from ..target import Target, TargetKind, choose
from .app.locate import AppLocation, locate
from .app.options import ListenAddress, RunOptions, address
from .console.event_hub import EventHub
from .reload.content_changes import ContentChanges
from .reload.files_beside import FilesBeside
from .reload.fork_server_start import ParentProcess
from .reload.generations import Generations
from .reload.ipc_messages import Assignment
from .reload.serving_process import Watcher
from .reload.spawner import SpawnContext, Spawner
from .serving.connection_handover import parking_pair
from .serving.listening_sockets import (
    is_loopback,
    listen,
    listen_at_next_free_port,
    url_of,
)
from .target_opening import opened

_DEBUGGED = (
    "a debugger is attached: libraries are imported anew for each generation, and old code has no "
    "time limit. Where breakpoints are not hit, set subProcess to true in launch.json"
)
_IN_PROCESS = "time limits and faults do not apply to functions that run in the app's process"
_EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 0, signal.SIGHUP: 0}


async def supervise(
    options: RunOptions,
    on_event: EventSink,
    ask: Callable[[str], bool],
    parent: ParentProcess,
) -> int:
    """Run the dev server until a signal ends it; returns the exit code.

    ``ask`` puts a yes-or-no question to a person; it is called from a thread. ``parent`` is
    where serving processes come from; it ends with the server. Raises FlashError when the app,
    the target or the port cannot be had, and when the emulator ends by itself.
    """
    with contextlib.closing(Adopted()) as adopted, contextlib.closing(parent):
        return await _supervise(options, on_event, ask, parent, adopted)


async def _supervise(
    options: RunOptions,
    on_event: EventSink,
    ask: Callable[[str], bool],
    parent: ParentProcess,
    adopted: Adopted,
) -> int:
    signals = _Signals()
    asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, adopted.reap)
    event_hub = EventHub(
        on_event, None if options.console is None else ConsoleAccess(options.console)
    )
    location = locate(options.app, options.folder)
    environment = read_environment(location.folder, options.env_file)
    project = find_project(location.root)
    where = address(options, environment)
    choice = choose(options.target, environment)
    live, granted = choice.kind is TargetKind.LIVE, options.target is TargetKind.LIVE
    assignment = Assignment(
        location=location,
        project=project,
        namespace=choose_namespace(options.namespace, environment, live=live),
        user=User.current(),
        env_file=options.env_file,
        url="",
        generation=1,
        reload=options.reload and not options.provision.dry_run,
        log_level=options.log_level,
        access_log=options.access_log,
        root_path=options.root_path,
        provision=options.provision,
        live=live,
        granted=granted,
        guest_state=Path(),
        in_process=options.in_process,
    )
    if options.debugged:
        event_hub.tell(Notice(_DEBUGGED))
    if options.in_process:
        event_hub.tell(Notice(_IN_PROCESS))
    async with contextlib.AsyncExitStack() as stack:
        listener = stack.enter_context(_listen(where, event_hub.tell))
        parked = [stack.enter_context(end) for end in parking_pair()]
        context = SpawnContext(
            location.root, (listener, *parked), options.fork, options.timings.parent_limit
        )
        beside = FilesBeside()
        sources: dict[str, bytes] = {}
        relevant = ContentChanges(location.root, lambda file: event_hub.tell(Notice(_loop(file))))
        watcher = Watcher(
            event_hub.tell, ask, beside.add, relevant.loaded, relevant.wrote, sources.update
        )
        spawner = Spawner(context, watcher, parent, adopted)
        stack.callback(spawner.close)
        opening = opened(
            choice,
            environment,
            project,
            signals.stopped,
            event_hub,
            granted=granted,
            in_process=options.in_process,
        )
        target = await stack.enter_async_context(opening)
        # Of no use to anybody once the emulator has ended.
        guest_state = stack.enter_context(scratch_folder("flash-guests-"))
        url = url_of(listener, where.host)
        assignment = replace(assignment, url=url, guest_state=guest_state)
        if live and not options.provision.dry_run:
            if not project.declared:
                event_hub.tell(Notice(named_by_folder(project)))
            user = stack.enter_context(session_in(project.root / FOLDER))
            assignment = replace(assignment, user=user)
        if not is_loopback(listener):
            event_hub.tell(Notice(_exposed(assignment)))
        changed = _changes(options, location, beside, relevant)
        batches = changed if assignment.reload else _never()
        generations = Generations(
            spawner, assignment, target, event_hub, options.timings, sources, relevant
        )
        code = await generations.run(batches, signals.stopped, signals.insisted)
        if live and not options.provision.dry_run:
            _tell_what_stays(target.result(), assignment, event_hub)
        return code


def _tell_what_stays(target: Target, assignment: Assignment, event_hub: EventHub) -> None:
    """Endpoints on Runpod outlive the server, and can cost money."""
    from ..session import Identity, ledger_of

    project, namespace = assignment.project, assignment.namespace
    identity = Identity(project, namespace, "run", assignment.user)
    records = ledger_of(target, identity, event_hub.tell).records()
    names = [each.endpoint_name for each in records]
    told = [
        each.endpoint_name if each.endpoint_id else f"{each.endpoint_name} (perhaps)"
        for each in records
    ]
    if names:
        event_hub.tell(
            Notice(
                f"{len(names)} endpoint(s) stay on Runpod: {', '.join(told)}. Remove them with "
                f"'{undeploy_command(namespace, names)}' in {project.root}"
            )
        )


def _loop(file: str) -> str:
    return (
        f"{file} changes each time the app starts, so it brings up no new code until it changes "
        f"while the app serves. --reload-exclude {shlex.quote(file)} leaves it out"
    )


def _exposed(assignment: Assignment) -> str:
    return (
        f"{assignment.url} can be reached from other machines: the app alone, neither the "
        "embedded Runpod, which listens on 127.0.0.1, nor the console"
    )


class _Signals:
    """``stopped`` is done, with the exit code, at a signal to end; ``insisted`` at the next one."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.stopped: asyncio.Future[int] = loop.create_future()
        self.insisted: asyncio.Future[None] = loop.create_future()
        for number, code in _EXIT_CODES.items():
            # Under nohup the end of the terminal is none of ours.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                loop.add_signal_handler(number, self._stop, code)

    def _stop(self, code: int) -> None:
        if not self.stopped.done():
            self.stopped.set_result(code)
        elif not self.insisted.done():
            self.insisted.set_result(None)


def _listen(where: ListenAddress, on_event: EventSink) -> socket.socket:
    """The listening socket; where no port was asked for, the next free one does."""
    if where.fixed:
        return listen(where.host, where.port)
    listener = listen_at_next_free_port(where.host, where.port)
    if (port := listener.getsockname()[1]) != where.port:
        on_event(PortTaken(wanted=where.port, used=port))
    return listener


def _changes(
    options: RunOptions, location: AppLocation, beside: FilesBeside, relevant: ContentChanges
) -> AsyncIterator[tuple[str, ...]]:
    # Here, since importing it would hold up the start.
    from .reload.file_watcher import changes, changes_beside, merged
    from .reload.watched_paths import WatchOptions

    env_file = None if options.env_file is None else options.env_file.resolve()
    include, exclude = options.reload_include, options.reload_exclude
    dotenv = location.folder / ".env"
    if options.reload_dirs and env_file is None and dotenv.is_file():
        env_file = dotenv
    watched = [
        changes(WatchOptions(root, env_file, include, exclude, shown_from=location.root))
        for root in options.reload_dirs or (location.root,)
    ]
    return merged(*watched, changes_beside(beside), relevant.cleared())


async def _never() -> AsyncIterator[tuple[str, ...]]:
    await asyncio.get_running_loop().create_future()
    yield ()
