"""A worker behind a load balancer: functions run as requests ask for them, several at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from .dependencies import Dependencies, DependencyRefusedError
from .execution import execute
from .function_protocol import FunctionRequest, FunctionResponse, RequestError
from .http.server import WorkerServer
from .output.concurrent_capture import Switchboard
from .process.log import Log
from .process.tasks import CancelledByAnotherJobError, in_thread, own_task, run_job
from .settings import WorkerSettings


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
        self._server = WorkerServer(settings.credential, self._execute)
        self._restore: Callable[[], None] = _nothing

    async def serve(self, stopped: asyncio.Event, restore: Callable[[], None]) -> None:
        """Serve until ``stopped`` is set, and until all that was asked before is answered.

        ``restore`` is called after each function. Raises BrokenWorkerError where the worker cannot
        go on.
        """
        self._restore = restore
        self._switchboard.install()
        await self._server.start(self._ports)
        stopping = own_task(stopped.wait())
        await asyncio.wait((stopping, self._server.broken), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        await self._server.stop()
        if self._server.broken.done():
            raise self._server.broken.result()

    async def _execute(self, body: dict[str, Any]) -> bytes:
        """The FunctionResponse to a FunctionRequest, bare or wrapped in ``input``, as JSON."""
        try:
            request = FunctionRequest.from_input(body.get("input", body))
            notes = await self._install(request)
            capture = self._switchboard.capture()
            response = await run_job(lambda: execute(request, notes, capture, self._restore))
        except RequestError as error:
            response = FunctionResponse(False, error=f"Error in handler: {error}")
        except (DependencyRefusedError, CancelledByAnotherJobError) as error:
            response = FunctionResponse(False, error=str(error), stdout="")
        except Exception as error:  # noqa: BLE001 - whatever a job has changed in this process
            text = str(self._server.give_up(error))
            response = FunctionResponse(False, error=text, stdout="")
        return response.to_json()

    async def _install(self, request: FunctionRequest) -> str:
        if not request.dependencies and not request.system_dependencies:
            return ""
        async with self._installing:
            # A thread, since it may take minutes, and the health check must be answered.
            notes = await in_thread(lambda: self._dependencies.ensure(request))
        if notes:
            self._log.note(notes.rstrip())
        return notes


def _nothing() -> None:
    """Nothing is served yet."""
