"""The console as a serving process serves it, beside the app or in place of a broken one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from starlette.types import ASGIApp

from ...console.app import Console
from ...console.history import Recorded
from ...console.journal import Journal
from ...console.rerun import CannotRepeatError, Repeater
from ...console.worker_watch import WorkerWatch
from ...events import EventSink
from ...functions.declaration.specs import FunctionSpec
from ...progress import Job
from ...target import Target
from .event_hub import ConsoleAssignment

if TYPE_CHECKING:
    from ...runpod import ManagementClient
    from ...runpod.models import Workers
    from ...session import Session

# Seconds between two looks at an endpoint's workers, while somebody watches.
_NEAR, _FAR = 1.0, 10.0


class ConsoleMount:
    """The console of one serving process. ``target`` blocks until the target is known."""

    def __init__(self, console: ConsoleAssignment, target: Callable[[], Target]) -> None:
        self._target = target
        self._journal = Journal(console.history)
        self._management: ManagementClient | None = None
        self._making = threading.Lock()
        self._repeater: Callable[[], Repeater] | None = None
        watch = WorkerWatch(self._workers, interval=_FAR if console.live else _NEAR)
        self._console = Console(self._journal, console.access, watch, self._again)

    def hear(self, recorded: Recorded) -> None:
        """Show one more event."""
        self._journal.record(recorded)

    def works_with(
        self,
        session: Callable[[], Session],
        functions: Callable[[], Sequence[FunctionSpec]],
        on_event: EventSink,
    ) -> None:
        """The app is loaded, so that its ``functions`` can be run again."""
        self._repeater = lru_cache(lambda: Repeater(session().calls, functions, on_event))

    def beside(self, app: ASGIApp) -> ASGIApp:
        """``app`` with the console at its path."""
        return self._console.beside(app)

    def close(self) -> None:
        """End the streams. From any thread."""
        self._console.close()

    def _again(self, job: Job) -> None:
        if self._repeater is None:
            raise CannotRepeatError("the app's code is broken: fix it first")
        self._repeater().start(job)

    def _workers(self, endpoint_id: str) -> Workers:
        # A client of its own, made when somebody looks: there is no session while code is broken.
        from ...runpod import ManagementClient

        with self._making:
            if self._management is None:
                self._management = ManagementClient(self._target())
        return self._management.workers(endpoint_id)
