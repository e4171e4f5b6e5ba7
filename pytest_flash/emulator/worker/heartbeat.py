"""Pings, from a thread of their own, so that a busy worker is known to live."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from .platform_client import Pinger, PlaneError


class Heartbeat:
    """Pings every ``interval`` seconds, with the id of the job at hand."""

    def __init__(self, pinger: Pinger, interval: float) -> None:
        self._pinger = pinger
        self._interval = max(interval, 0.1)
        self._job_id: str | None = None

    def start(self) -> None:
        """Start the thread; it ends with the process."""
        threading.Thread(target=self._run, name="flash-heartbeat", daemon=True).start()

    @contextlib.contextmanager
    def busy_with(self, job_id: str) -> Iterator[None]:
        """Name the job in the pings sent meanwhile."""
        self._job_id = job_id
        try:
            yield
        finally:
            self._job_id = None

    def _run(self) -> None:
        while True:
            with contextlib.suppress(PlaneError):  # the job loop reports a platform that is away
                self._pinger.ping(self._job_id)
            time.sleep(self._interval)
