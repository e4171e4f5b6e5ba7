"""Workers that stop answering: their pings tell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .worker import EmulatedWorker


class Pings:
    """Waits for the next ping of every worker that has sent one. Lives on one event loop.

    ``silent`` is called with a worker that has missed ``limit`` pings in a row, ``interval``
    seconds apart; a limit of 0 is none.
    """

    def __init__(
        self, interval: float, limit: int, silent: Callable[[EmulatedWorker], None]
    ) -> None:
        self._interval = interval
        self._limit = limit
        self._silent = silent
        self._loop = asyncio.get_running_loop()

    def heard(self, worker: EmulatedWorker) -> None:
        """A worker said that it lives. From its first ping on it must go on saying so."""
        worker.missed = 0
        if self._limit and not worker.sends_pings and not worker.is_stopping:
            self._await(worker)

    def _await(self, worker: EmulatedWorker) -> None:
        worker.set_ping_timer(self._loop.call_later(self._interval, self._missed, worker))

    def _missed(self, worker: EmulatedWorker) -> None:
        # Counted one by one: pings that wait in sockets, while this process was suspended, are
        # read before the next.
        worker.missed += 1
        if worker.missed <= self._limit:
            self._await(worker)
        else:
            self._silent(worker)
