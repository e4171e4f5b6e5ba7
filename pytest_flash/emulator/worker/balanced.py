"""A worker behind a load balancer: functions run as requests ask for them, several at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from .dependencies import Dependencies, DependencyError
from .execution import execute
from .log import Log
from .messages import FunctionRequest, FunctionResponse, RequestError
from .server import Server
from .settings import WorkerSettings
from .switchboard import Switchboard


class BalancedWorker:
    """Answers ``/execute`` until told to stop.

    Asynchronous functions run side by side. Synchronous ones run on the event loop and hold up
    everything else, as in the images.
    """

    def __init__(self, settings: WorkerSettings, dependencies: Dependencies, log: Log) -> None:
        self._ports = settings.ports
        self._log = log
        self._dependencies = dependencies
        self._installing = asyncio.Lock()
        self._switchboard = Switchboard(log)
        self._server = Server(settings.credential, self._execute)
        self._restore: Callable[[], None] = _nothing

    async def serve(self, stopped: asyncio.Event, restore: Callable[[], None]) -> None:
        """Serve until ``stopped`` is set, and until all that was asked before is answered.

        ``restore`` is called after each function.
        """
        self._restore = restore
        self._switchboard.install()
        await self._server.start(self._ports)
        await stopped.wait()
        await self._server.stop()

    async def _execute(self, body: dict[str, Any]) -> bytes:
        """The FunctionResponse to a FunctionRequest, bare or wrapped in ``input``, as JSON."""
        try:
            request = FunctionRequest.from_input(body.get("input", body))
            notes = await self._install(request)
        except RequestError as error:
            return FunctionResponse(False, error=f"Error in handler: {error}").to_json()
        except DependencyError as error:
            return FunctionResponse(False, error=str(error), stdout="").to_json()
        response = await execute(request, notes, self._switchboard.capture(), self._restore)
        return response.to_json()

    async def _install(self, request: FunctionRequest) -> str:
        if not request.dependencies and not request.system_dependencies:
            return ""
        async with self._installing:
            # A thread, since it may take minutes, and the health check must be answered.
            notes = await asyncio.to_thread(self._dependencies.ensure, request)
        if notes:
            self._log.note(notes.rstrip())
        return notes


def _nothing() -> None:
    """Nothing is served yet."""
