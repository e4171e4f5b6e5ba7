"""Workers that have nothing to do, until they have been idle for long enough."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .worker import EmulatedWorker


class Idling:
    """Calls ``over`` with each worker that has been idle for its timeout, in seconds.

    Lives on one event loop. It uses the worker's timer, which whoever gives it work replaces.
    """

    def __init__(self, over: Callable[[EmulatedWorker], None]) -> None:
        self._over = over
        self._loop = asyncio.get_running_loop()

    def begin(self, worker: EmulatedWorker, timeout: float) -> None:
        """It has nothing to do from now on."""
        worker.idle_since = self._loop.time()
        self._wait(worker, worker.idle_since + timeout)

    def advance(self, worker: EmulatedWorker, seconds: float, timeout: float) -> None:
        """If it is idle, it has been so for ``seconds`` longer."""
        if worker.idle_since is None:
            return
        worker.idle_since -= seconds
        due = worker.idle_since + timeout
        if due <= self._loop.time():
            self._over(worker)
        else:
            self._wait(worker, due)

    def _wait(self, worker: EmulatedWorker, due: float) -> None:
        worker.set_timer(self._loop.call_at(due, self._over, worker))
