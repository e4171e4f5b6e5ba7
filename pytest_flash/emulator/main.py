"""One emulator's life: bind, announce, serve, end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..clock import monotonic
from ..errors import EmulatorError
from ..files.scratch_folder import scratch_folder
from ..network.loopback import in_url
from ..process.garbage import collecting_seldom
from .startup.announcement import Announcement

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

    from .processes.image_programs import ProgramSource
    from .queue.webhooks import Webhooks
    from .scheduler.endpoints import EmulatedEndpoints
    from .startup.config import EmulatorConfig

_log = logging.getLogger(__name__)

_CLOSE_LIMIT = 2.0
_ANSWER_LIMIT = 0.2
_BACKLOG = 2048
_DESCRIPTORS = 65_536


def run(
    config: EmulatorConfig,
    announce: Callable[[Announcement], None],
    *,
    lifeline: int | None = None,
    listener: int | None = None,
    programs: ProgramSource | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, or until the descriptor ``lifeline`` reaches its end.

    It listens on the bound socket of the descriptor ``listener``, or on one of its own.
    ``announce`` is called once, when the port is bound. Every worker has been killed when this
    returns. Raises EmulatorError when the port cannot be bound. Call it from the main thread.
    """
    _allow_many_connections()
    with (
        collecting_seldom(),
        contextlib.closing(_listening(config, listener)) as bound,
        scratch_folder("flash-emulator-") as folder,
    ):
        loop = _new_loop()
        try:
            loop.run_until_complete(_serve(config, announce, bound, folder, lifeline, programs))
        finally:
            loop.close()


async def _serve(
    config: EmulatorConfig,
    announce: Callable[[Announcement], None],
    listener: socket.socket,
    folder: Path,
    lifeline: int | None,
    programs: ProgramSource | None,
) -> None:
    stop = asyncio.Event()
    with _stopped_by_signals(stop):
        origin = f"http://{in_url(config.host)}:{listener.getsockname()[1]}"
        if lifeline is not None:
            _stopped_by_end_of(lifeline, stop)
        # Connections are taken from here on, and served once the rest is imported: most of the
        # time that a start takes, in which the caller can do something else.
        announce(Announcement.of(origin, config.api_key))
        source = programs if programs is not None else _programs(config)
        parts = _assemble(config, origin, folder, source)
        serving = asyncio.create_task(_server(parts.app).serve(sockets=[listener]))
        _log.info("the emulator, process %d, serves at %s", os.getpid(), origin)
        threading.Thread(target=_preload, daemon=True).start()
        try:
            await _until_stopped(stop, serving)
        finally:
            source.close()
            await parts.webhooks.close()
            await _close(parts.endpoints, serving)


def _programs(config: EmulatorConfig) -> ProgramSource:
    from .processes.image_programs import ProjectPrograms

    return ProjectPrograms(config)


@dataclass(frozen=True)
class _Parts:
    """What an emulator consists of: the application, and what must be closed."""

    app: ASGIApp
    endpoints: EmulatedEndpoints
    webhooks: Webhooks


def _assemble(config: EmulatorConfig, origin: str, folder: Path, source: ProgramSource) -> _Parts:
    from .account.volumes import EmulatedVolumes
    from .app import build_app
    from .faults.fault_types import Faults
    from .planes.control_routes import ControlPlane
    from .planes.load_balancer_routes import LoadBalancer
    from .planes.queue_routes import Queue
    from .processes.launcher import Launcher, WorkerAddress
    from .processes.worker_credentials import WorkerCredentials
    from .queue.rate_limits import RateLimits
    from .queue.webhooks import Webhooks
    from .scheduler.context import SchedulerContext
    from .scheduler.endpoints import EmulatedEndpoints

    timings, options = config.timings, config.options
    credentials = WorkerCredentials()
    address = WorkerAddress(origin, timings.ping_interval)
    volumes, faults = EmulatedVolumes(folder / "volumes"), Faults()
    webhooks = Webhooks(options.webhooks, timings.webhook_delay)
    launcher = Launcher(source, address, credentials, folder, volumes)
    endpoints = EmulatedEndpoints(
        SchedulerContext(source, launcher, timings, options, faults, webhooks)
    )
    app = build_app(
        endpoints,
        volumes,
        config.api_key,
        credentials,
        Queue(endpoints, webhooks, RateLimits(monotonic) if options.rate_limits else None),
        LoadBalancer(endpoints, launcher.ports, timings, credentials),
        ControlPlane(endpoints, faults, launcher.stack_file),
        faults,
        origin=origin,
        timings=timings,
        enforce_quota=options.rate_limits,
    )
    return _Parts(app, endpoints, webhooks)


def _preload() -> None:
    """Load what the first endpoint and the first worker need, while nobody waits for it."""
    from .account import endpoint_records, endpoint_requests  # noqa: F401 - pydantic
    from .packages import hermetic  # noqa: F401


async def _until_stopped(stop: asyncio.Event, serving: asyncio.Task[None]) -> None:
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait((stopped, serving), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if serving.done():
        serving.result()
        raise EmulatorError("the emulator's HTTP server ended by itself")


async def _close(endpoints: EmulatedEndpoints, serving: asyncio.Task[None]) -> None:
    """End the workers first: whoever still waits is answered as their jobs are cancelled."""
    try:
        await asyncio.wait_for(endpoints.close(), _CLOSE_LIMIT)
    except asyncio.TimeoutError:
        _log.warning("workers were still ending after %g s; their lifelines end them", _CLOSE_LIMIT)
    tasks = asyncio.all_tasks() - {asyncio.current_task(), serving}
    if tasks:
        _, tasks = await asyncio.wait(tasks, timeout=_ANSWER_LIMIT)
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # of what is cut off now
    for task in (*tasks, serving):
        task.cancel()
    await asyncio.gather(*tasks, serving, return_exceptions=True)


def _server(app: ASGIApp) -> uvicorn.Server:
    import uvicorn

    from .server.header_limit import BoundedHeadProtocol
    from .server.websocket_protocol import MESSAGE_LIMIT, websocket_protocol

    class Server(uvicorn.Server):
        """A server that leaves the signals to ``run``."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    return Server(
        uvicorn.Config(
            app,
            http=BoundedHeadProtocol,
            ws=websocket_protocol,  # type: ignore[arg-type] # called as the class would be
            ws_max_size=MESSAGE_LIMIT,
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            # Clients keep connections for as long as they like: closing one while the next
            # request is on its way would make that request fail.
            timeout_keep_alive=3600,
        )
    )


def _allow_many_connections() -> None:
    """Raise the limit of open files, often 1,024, as far as may be: each call in flight is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # a system with a limit of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _listening(config: EmulatorConfig, descriptor: int | None) -> socket.socket:
    if descriptor is None:
        return _bind(config)
    listener = socket.socket(fileno=descriptor)
    listener.listen(_BACKLOG)
    return listener


def _bind(config: EmulatorConfig) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    # asyncio switches Nagle's delays off only where the protocol is named.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((config.host, config.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise EmulatorError(
            f"{config.host}:{config.port} cannot be used: {error.strerror}; "
            "choose another --port, or 0 for any free one"
        ) from error
    return listener


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


@contextlib.contextmanager
def _stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    ending = (signal.SIGINT, signal.SIGTERM)
    for number in ending:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in ending:
            loop.remove_signal_handler(number)


def _stopped_by_end_of(lifeline: int, stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    os.set_inheritable(lifeline, False)

    def wait() -> None:
        while os.read(lifeline, 1):
            pass
        with contextlib.suppress(RuntimeError):  # the loop is closed: already ending
            loop.call_soon_threadsafe(stop.set)
        # Whoever started this process is gone. If it cannot end in order, it ends anyway, and
        # its workers' own lifelines end them.
        time.sleep(2 * _CLOSE_LIMIT)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
