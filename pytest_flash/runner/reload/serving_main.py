"""The process that serves the app for ``flash run``; a new one for each reload."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Collection
from functools import partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from starlette.types import ASGIApp

from ...console.history import Recorded
from ...errors import AppError, AppNotFoundError, ConfigurationError, FlashError, ServerError
from ...events import AppBroken, EndpointFound, Notice, Serving
from ...functions.registry import registry
from ...process.nonblocking_output import unblock_standard_streams
from ...sdks import GUESTS, MODULES
from ...sdks.import_finder import watch_imports
from ...settings import Environment, read_environment
from ...target import NOT_LIVE
from ..app.broken_app import broken
from ..app.framework_import import make_room
from ..app.import_from_source import Imports, import_from_source
from ..app.load import LoadedApp, load
from ..console.console_mount import ConsoleMount
from ..serving.app_server import AppServer
from ..serving.logging_setup import log
from .ipc_messages import (
    EXPLAINED,
    Accepting,
    AppLoaded,
    Assignment,
    Closed,
    FilesLoaded,
    FilesWritten,
    Finished,
    NewFilesBeside,
    NewModules,
    Settling,
    SupervisorLink,
)
from .own_writes import OwnWrites
from .preload import Watch
from .remote_functions import Remotes

if TYPE_CHECKING:
    from ...sdks.emulator_host import EmulatorHost

_GRACE = 5.0
# A request to Runpod's management plane takes no longer, retries included.
_SETTLING = 60.0
# Longer than an emulator may take to start: what ends then is `flash run`, with its reason.
_STARTING = 60.0


def main(link_descriptor: int, sockets: tuple[int, int, int], plain: Collection[str]) -> None:
    """Serve what arrives over the connection at ``link_descriptor`` until told to stop.

    ``sockets`` are the descriptors of the listening socket and of the two ends of the pair in
    which open connections are parked. ``plain`` are the modules that the framework has imported.
    """
    # Handlers that print, and the log of requests, must not wait for whoever reads the output.
    unblock_standard_streams()
    link = SupervisorLink(Connection(link_descriptor))
    assignment = link.assignment()
    process = _Process(assignment, link, sockets)
    link.follow(process)
    try:
        _serve(assignment, link, process, plain)
    finally:
        link.flush()


def _serve(
    assignment: Assignment, link: SupervisorLink, process: _Process, plain: Collection[str]
) -> None:
    try:
        if assignment.broken is not None:
            raise ServerError(assignment.broken)
        _serve_app(assignment, link, process, plain)
    except FlashError as error:
        if process.stopping:
            link.report(Notice(str(error)))
        elif assignment.broken is None:
            link.report(AppBroken(str(error)))
        if process.stopping or _is_final(error, assignment):
            sys.exit(EXPLAINED)
        link.report(
            Notice(f"{assignment.url} answers with this error, as 503, until a file is saved")
        )
        process.run(broken(str(error)), working=False)


def _is_final(error: FlashError, assignment: Assignment) -> bool:
    """Whether no saved file can fix it: nobody watches, or the command was wrong."""
    if not assignment.reload or assignment.generation > 1:
        return not assignment.reload
    location = assignment.location
    mistyped = location.file is None or location.attribute is not None
    if isinstance(error, AppNotFoundError) and mistyped:
        return True
    return not isinstance(error, (AppError, ConfigurationError, ServerError))


def _serve_app(
    assignment: Assignment, link: SupervisorLink, process: _Process, plain: Collection[str]
) -> None:
    environment, imports = _prepare(assignment, link)
    make_room(assignment.location.root, plain)
    watch = Watch(assignment.location.root)
    remotes = Remotes(assignment, environment, link)
    with contextlib.closing(remotes), registry.bound(remotes):
        process.remotes = remotes
        loaded = _load(assignment, imports, link)
        remotes.discover()
        if assignment.provision.before:
            remotes.provision(imports)
            if assignment.provision.dry_run:
                return
        if process.page is not None:
            process.page.works_with(remotes.session, registry.functions, link.report)

        def tell() -> None:
            link.report(_serving(loaded.name, remotes.overview(), assignment))
            link.report(NewModules(watch.modules(), environment.missing()))
            if assignment.generation > 1 and not assignment.provision.before:
                remotes.tell_drift()

        # In a thread: the first request may be waiting, and the target may not be known yet.
        telling = threading.Thread(target=tell, name="flash-serving", daemon=True)
        process.run(loaded.app, telling.start)


def _load(assignment: Assignment, imports: Imports, link: SupervisorLink) -> LoadedApp:
    """The app; reports what of it stands outside of its project, also what it loads later."""
    try:
        return load(
            assignment.location,
            instead=None if assignment.granted else "--live",
            embedded="with --emulator" if assignment.live else "",
        )
    finally:
        link.report(NewFilesBeside(dict(imports.outside)))
        imports.on_outside = lambda files: link.report(NewFilesBeside(files))
        link.report(FilesLoaded(dict(imports.digests)))
        imports.on_digest = lambda files: link.report(FilesLoaded(files))


def _serving(app: str, endpoints: tuple[EndpointFound, ...], assignment: Assignment) -> Serving:
    console = assignment.console
    return Serving(
        assignment.url,
        app,
        assignment.generation,
        endpoints,
        reload=assignment.reload,
        console=None if console is None else console.access.url(assignment.url),
    )


class _Process:
    """This process as something that serves, or does not yet, and can be stopped."""

    def __init__(
        self, assignment: Assignment, link: SupervisorLink, sockets: tuple[int, int, int]
    ) -> None:
        self._assignment = assignment
        self._link = link
        self._listener, take, give = (socket.socket(fileno=each) for each in sockets)
        self._parked = take, give
        for each in (self._listener, take, give):
            each.set_inheritable(False)
        self._begun = threading.Event()
        self._writes = OwnWrites() if assignment.note_writes else None
        self._server: AppServer | None = None
        self.remotes: Remotes | None = None
        console = assignment.console
        self.page = None if console is None else ConsoleMount(console, link.target)
        self.stopping = False
        # In a thread: the one that is interrupted may be reporting.
        stop = partial(self.stop, _GRACE, hand_over=False)
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=stop).start())

    def begin(self) -> None:
        """The earlier process accepts no more: serve."""
        self._begun.set()

    def hear(self, recorded: Recorded) -> None:
        """Something was reported, by any process."""
        if self.page is not None:
            self.page.hear(recorded)

    def stop(self, grace: float, *, hand_over: bool) -> None:
        """End after ``grace`` seconds at most; at once while the app is being imported."""
        self.stopping = True
        if self._server is None or not self._server.started:
            self._settle()
            self._link.flush()
            os._exit(0)
        if self.page is not None:
            self.page.close()
        self._server.stop(grace, hand_over=hand_over)
        self._link.report(Closed())

    def run(
        self, app: ASGIApp, on_started: Callable[[], None] = lambda: None, *, working: bool = True
    ) -> None:
        """Serve ``app`` on the inherited listening socket until stopped."""

        def started() -> None:
            if self._writes is not None:
                self._link.report(FilesWritten(self._writes.end()))
            self._link.report(Accepting())
            on_started()

        self._link.report(AppLoaded(broken=not working))
        self._begun.wait()
        self._server = AppServer(
            app,
            grace=_GRACE,
            generation=self._assignment.generation,
            around=None if self.page is None else self.page.beside,
            parked=self._parked,
            on_started=started,
            access_log=self._assignment.access_log,
            root_path=self._assignment.root_path,
        )
        if self.stopping:
            self._server.stop()
        self._server.serve_on(self._listener)
        self._link.report(Finished())
        self._settle()

    def _settle(self) -> None:
        """Wait for a management request that is under way: what it makes must be recorded."""
        if self.remotes is not None and self.remotes.provisioning:
            self._link.report(Settling(_SETTLING))
            self.remotes.settle(_SETTLING)


def _prepare(assignment: Assignment, link: SupervisorLink) -> tuple[Environment, Imports]:
    console = assignment.console
    log(assignment.log_level, console=None if console is None else console.access)
    sys.path[:] = [entry for entry in sys.path if entry]
    imports = import_from_source(assignment.location.root)
    environment = read_environment(assignment.location.folder, assignment.env_file)
    os.environ.update(environment.missing())
    if not assignment.live:
        os.environ[NOT_LIVE] = "1"
    _watch_sdks(assignment, link)
    return environment, imports


def _watch_sdks(assignment: Assignment, link: SupervisorLink) -> None:
    """Before the app is imported, and after our own settings were read: SDKs find other ones."""

    def host() -> EmulatorHost:
        from ...sdks.emulator_host import EmulatorHost

        # It may still be starting: it does so beside the app.
        target = link.target(_STARTING)
        urls = target.management_url, target.queue_url
        return EmulatorHost.of(*urls, target.api_key, assignment.guest_state)

    if not assignment.live:
        watch_imports(lambda: True, host)
    else:  # A key is enough for our functions, not for another SDK's.
        watch_imports(lambda: True, sdks=GUESTS if assignment.granted else MODULES)
