"""Serving an app with uvicorn, in this thread or in one of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading
from collections.abc import Callable, Collection, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from ...clock import monotonic
from ...errors import ServerError
from ...process.event_loops import fastest_loop, run
from .accept import Acceptor
from .connection_handover import HandOver
from .generation_header import generation_headers, wait_for_generation
from .hung_threads import ImpatientPool, PoolThreads
from .kept_loggers import KeptLoggers, StartLog
from .listening_sockets import listen, url_of

GRACE_IS_OVER = "the server stops, and its grace is over"
"""What requests are told that are cancelled because they take longer than a server that ends."""

_STARTUP_FAILED = 3  # as uvicorn exits
_TICK = 1.0
_POLL = 0.01
_ARRIVAL = 0.25
THREAD = "flash-server"
"""The name of the thread that an app is served in."""


class AppServer(uvicorn.Server):
    """A uvicorn server that leaves signals alone, says when it serves, and why it does not.

    ``around`` makes what is served of the app; lifespan and errors stay the app's own, and what
    a proxy says of its client (FORWARDED_ALLOW_IPS) is known to the app alone.
    ``parked`` is the pair of ends that connections are taken from and handed over into.
    ``pool`` runs what the app gives to ``asyncio.to_thread``. ``new_loop`` makes the event loop,
    in place of uvicorn's own.
    """

    def __init__(
        self,
        app: Any,
        *,
        grace: float,
        generation: int = 1,
        around: Callable[[ASGIApp], ASGIApp] | None = None,
        parked: tuple[socket.socket, socket.socket] | None = None,
        pool: ThreadPoolExecutor | None = None,
        on_started: Callable[[], None] = lambda: None,
        access_log: bool = False,
        root_path: str = "",
        new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None,
    ) -> None:
        # "auto" would take an error in a FastAPI lifespan for an app that has none.
        lifespan: Any = "on" if isinstance(app, Starlette) else "auto"
        config = uvicorn.Config(
            app,
            lifespan=lifespan,
            log_config=None,
            access_log=access_log,
            root_path=root_path,
            proxy_headers=around is None,
            headers=generation_headers(generation),
        )
        if around is not None:
            inner: Any = ProxyHeadersMiddleware(app, config.forwarded_allow_ips)
            config.app = around(inner)
        super().__init__(config)
        self._grace = grace
        self._take = parked[0] if parked else None
        self._hand_over = HandOver(parked[1] if parked else None)
        self._acceptor: Acceptor | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._exit: asyncio.Event | None = None
        self._pool = pool
        self._new_loop = new_loop
        self._on_started = on_started
        self._start_log = StartLog()
        self._loggers = KeptLoggers()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals belong to the process around the server."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the app, begin to accept, then report it."""
        assert sockets is not None
        self._loop, self._exit = asyncio.get_running_loop(), asyncio.Event()
        if self._pool is not None:
            self._loop.set_default_executor(self._pool)
        self.lifespan.logger = self._start_log.logger
        self._loggers.restore()  # The app was imported.
        with self._start_log:
            await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(_STARTUP_FAILED)
        await self.on_tick(0)  # Sets the headers of every response.
        self._acceptor = Acceptor(sockets[0], self._take, self._protocol)
        self._acceptor.open()
        self.started = True
        self._on_started()

    async def main_loop(self) -> None:
        """Refresh the date header each second until the server should exit."""
        assert self._exit is not None
        while not await self.on_tick(0):
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._exit.wait(), _TICK)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        """Stop accepting, hand over or close what is idle, wait for the rest, stop the app."""
        assert self._acceptor is not None
        self._acceptor.close()
        await self._acceptor.drain()
        now = monotonic()
        closing = _Closing(self._hand_over.begun, arrival=now + _ARRIVAL)
        while closing.of(self.server_state.connections) or self.server_state.tasks:
            if monotonic() > now + self._grace:
                self._drop()
                break
            await asyncio.sleep(_POLL)
        await self.lifespan.shutdown()

    def serve_on(self, listener: socket.socket) -> None:
        """Serve until stopped.

        Raises ServerError with what was logged, the app's traceback included, when the app does
        not start.
        """
        try:
            if self._new_loop is None:
                self.run(sockets=[listener])
            else:
                run(self.serve(sockets=[listener]), self._new_loop)
        except SystemExit:
            # How a failed start ends; once started, it is the app's own.
            if self.started:
                raise
        if not self.started:
            raise ServerError(f"the app did not start:\n{self._start_log.text()}")
        if self.lifespan.shutdown_failed:
            raise ServerError("the app's lifespan raised while it was shut down; see its log")

    def stop(self, grace: float | None = None, *, hand_over: bool = False) -> None:
        """End: at once for idle connections, after ``grace`` s for busy ones. From any thread.

        With ``hand_over`` idle connections go to the next process. Nothing is accepted once this
        returns.
        """
        if grace is not None:
            self._grace = grace
        self._hand_over.begun = hand_over
        if self._acceptor is not None:
            self._acceptor.close()
        self.should_exit = True
        if self._loop is not None and self._exit is not None:
            with contextlib.suppress(RuntimeError):  # The loop has ended.
                self._loop.call_soon_threadsafe(self._exit.set)

    def _protocol(self, received: bytes) -> asyncio.Protocol:
        self._loggers.restore()  # A handler may configure logging, too.
        config, state, app_state = self.config, self.server_state, self.lifespan.state
        try:
            from .served_connection import ServedConnection
        except ImportError:  # There is no httptools for PyPy: connections are closed instead.
            make: Any = config.http_protocol_class
            protocol = make(config=config, server_state=state, app_state=app_state)
        else:
            protocol = ServedConnection(config, state, app_state, self._hand_over, received)
        # uvicorn asks whether the logger has handlers, and pytest's caplog gives it one.
        protocol.access_log = protocol.access_log and config.access_log
        made: asyncio.Protocol = protocol
        return made

    def _drop(self) -> None:
        """End the connections and requests that have outlived the grace."""
        for task in self.server_state.tasks:
            task.cancel(GRACE_IS_OVER)
        for connection in list(self.server_state.connections):
            connection.transport.close()


class _Closing:
    """Closes or hands over connections as they become idle."""

    def __init__(self, hand_over: bool, arrival: float) -> None:
        self._hand_over = hand_over
        self._arrival = arrival
        self._told: set[Any] = set()

    def of(self, connections: Collection[Any]) -> bool:
        """Deal with ``connections``, again and again; whether there are any left."""
        for connection in list(connections):
            if self._waits(connection) or connection in self._told:
                continue
            self._told.add(connection)
            connection.shutdown()  # WebSockets: 1012. Others close after their answer.
        return bool(connections)

    def _waits(self, connection: Any) -> bool:
        """Whether the connection is to be left alone for now, or was handed over."""
        handed = self._hand_over and hasattr(connection, "hand_over")
        if handed and (connection.hand_over() or not connection.is_idle):
            return True
        # One that was just made: its client would see a reset instead of an answer.
        awaits_request = getattr(connection, "cycle", connection) is None
        return awaits_request and monotonic() < self._arrival


class ThreadServer:
    """Serves an app on 127.0.0.1 in a thread with an event loop of its own.

    ``observed`` is the app in a wrapper that sees its requests, where somebody wants to. Requests
    that are open at the end get ``grace`` seconds, and the whole of it ``stop_within``.
    """

    def __init__(
        self,
        app: Any,
        *,
        grace: float = 2.0,
        stop_within: float = 10.0,
        observed: Any = None,
    ) -> None:
        self.app = app
        self._listener = listen("127.0.0.1", 0)
        self.port: int = self._listener.getsockname()[1]
        self.url = url_of(self._listener)
        self._started = threading.Event()
        self._stop_within = stop_within
        self._pool, self._pools = ImpatientPool(grace), PoolThreads()
        self._server = AppServer(
            app,
            grace=grace,
            pool=self._pool,
            on_started=self._started.set,
            new_loop=fastest_loop,
        )
        if observed is not None:
            self._server.config.app = observed
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=THREAD, daemon=True)

    def start(self, timeout: float) -> None:
        """Return when the app serves.

        Raises ServerError with what the app logged when its start-up fails or takes longer than
        ``timeout`` seconds.
        """
        deadline = monotonic() + timeout
        self._thread.start()
        while not self._started.wait(_POLL):
            if not self._thread.is_alive():
                self._listener.close()
                raise self._error or ServerError("the app's server ended while it started")
            if monotonic() > deadline:
                self._server.stop()
                self._pools.abandon(deadline)
                self._listener.close()
                raise ServerError(
                    f"the app did not start within {timeout:g} s: its lifespan, or what it calls, "
                    "takes longer"
                )

    def wait_for_generation(self, generation: int = 1, timeout: float = 30.0) -> int:
        """As ``generation_header.wait_for_generation``. In a test run the code is loaded once."""
        return wait_for_generation(self.url, generation, timeout)

    def stop(self) -> None:
        """Stop serving and wait for the thread; open requests get a grace, then are dropped.

        Threads in which the app's code has not returned then go on until Python exits, and do not
        keep it from that. Raises ServerError when the app's lifespan fails to shut down, or blocks.
        """
        deadline = self._pool.begin()
        self._server.stop()
        if self._thread.ident is not None:
            self._thread.join(self._stop_within)
        self._pools.abandon(deadline)
        self._listener.close()
        if self._thread.is_alive():
            raise ServerError(
                f"the app's server did not stop within {self._stop_within:g} s: something in "
                "it blocks its event loop"
            )
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._server.serve_on(self._listener)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self._error = error
