"""Serving an app with uvicorn, in this thread or in one of its own."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

import uvicorn
from starlette.applications import Starlette

from ..errors import PortTakenError, ServerError

_POLL = 0.02
_ARRIVAL = 0.25
_STOP_DEADLINE = 10.0


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket on ``host``; port 0 takes a free one.

    Raises ServerError naming host and port when it cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, OverflowError, UnicodeError) as error:
        raise ServerError(f"cannot listen on {host}:{port}: {error}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(
                f"port {port} on {host} is taken by another process; choose one with --port"
            ) from error
        raise ServerError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    return listener


def url_of(listener: socket.socket, host: str | None = None) -> str:
    """``http://host:port`` of a listening socket; ``host`` is how people call the address."""
    address, port = listener.getsockname()[:2]
    name = host or address
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


class AppServer(uvicorn.Server):
    """A uvicorn server that leaves signals alone, says when it serves, and why it does not."""

    def __init__(
        self,
        app: Any,
        *,
        grace: float,
        on_started: Callable[[], None] = lambda: None,
        access_log: bool = False,
    ) -> None:
        # "auto" would take an error in a FastAPI lifespan for an app that has none.
        lifespan: Any = "on" if isinstance(app, Starlette) else "auto"
        config = uvicorn.Config(
            app,
            lifespan=lifespan,
            log_config=None,
            access_log=access_log,
            timeout_graceful_shutdown=int(grace),
        )
        super().__init__(config)
        self._on_started = on_started
        self._start_log = _StartLog()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals belong to the process around the server."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then report it."""
        with self._start_log:
            await super().startup(sockets)
        if self.started:
            self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, let requests arrive on connections that were just made, then stop."""
        for server in self.servers:
            server.close()
        # uvicorn would close such a connection at once, and its client would see a reset.
        deadline = time.monotonic() + _ARRIVAL
        while any(map(_awaits_request, self.server_state.connections)):
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(_POLL)
        await super().shutdown(sockets)

    def serve_on(self, listener: socket.socket) -> None:
        """Serve until stopped.

        Raises ServerError with what was logged, the app's traceback included, when the app does
        not start.
        """
        try:
            self.run(sockets=[listener])
        except SystemExit:
            # How uvicorn ends a failed start; once started, it is the app's own.
            if self.started:
                raise
        if not self.started:
            raise ServerError(f"the app did not start:\n{self._start_log.text()}")
        if self.lifespan.shutdown_failed:
            raise ServerError("the app's lifespan raised while it was shut down; see its log")

    def stop(self, grace: float | None = None) -> None:
        """Ask the server to end: at once for idle connections, after ``grace`` s for busy ones."""
        if grace is not None:
            self.config.timeout_graceful_shutdown = int(grace)
        self.should_exit = True


def _awaits_request(connection: Any) -> bool:
    """Whether no request has come over an HTTP connection yet; other protocols have no cycle."""
    return getattr(connection, "cycle", connection) is None


class ThreadServer:
    """Serves an app on 127.0.0.1 in a thread with an event loop of its own."""

    def __init__(self, app: Any, *, grace: float = 2.0) -> None:
        self.app = app
        self._listener = listen("127.0.0.1", 0)
        self.port: int = self._listener.getsockname()[1]
        self.url = url_of(self._listener)
        self._started = threading.Event()
        self._server = AppServer(app, grace=grace, on_started=self._started.set)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="flash-server", daemon=True)

    def start(self, timeout: float) -> None:
        """Return when the app serves.

        Raises ServerError with what the app logged when its start-up fails or takes longer than
        ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        self._thread.start()
        while not self._started.wait(_POLL):
            if not self._thread.is_alive():
                self._listener.close()
                raise self._error or ServerError("the app's server ended while it started")
            if time.monotonic() > deadline:
                self._server.stop()
                self._listener.close()
                raise ServerError(
                    f"the app did not start within {timeout:g} s: its lifespan, or what it calls, "
                    "takes longer"
                )

    def stop(self) -> None:
        """Stop serving and wait for the thread; open requests get a grace, then are dropped.

        Raises ServerError when the app's lifespan fails to shut down, or blocks.
        """
        self._server.stop()
        if self._thread.ident is not None:
            self._thread.join(_STOP_DEADLINE)
        self._listener.close()
        if self._thread.is_alive():
            raise ServerError(
                f"the app's server did not stop within {_STOP_DEADLINE:g} s: something in it "
                "blocks its event loop"
            )
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._server.serve_on(self._listener)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self._error = error


class _StartLog(logging.Handler):
    """Keeps what uvicorn logs as an error while an app starts, in place of the usual handlers."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._logger = logging.getLogger("uvicorn.error")
        self._texts: list[str] = []

    def __enter__(self) -> None:
        self._logger.addHandler(self)
        self._propagates, self._logger.propagate = self._logger.propagate, False

    def __exit__(self, *_: object) -> None:
        self._logger.propagate = self._propagates
        self._logger.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        self._texts.append(self.format(record))

    def text(self) -> str:
        """Everything kept, a blank line apart."""
        return "\n\n".join(self._texts).strip() or "it logged no error"
