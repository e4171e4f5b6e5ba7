"""A console on a server of its own, beside a small app."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from pytest_flash.console.app import Console
from pytest_flash.console.journal import Journal
from pytest_flash.console.rerun import CannotRepeatError
from pytest_flash.console.token import ConsoleAccess
from pytest_flash.console.worker_watch import WorkerWatch
from pytest_flash.progress import Job
from pytest_flash.runner.serving.app_server import ThreadServer
from pytest_flash.runpod.models import Workers
from tests.console.reported import READY, SERVING, TARGET, recorded

APP: ASGIApp = PlainTextResponse("the app")
WORKERS = Workers.model_validate(
    {
        "workers": [{"id": "w1", "status": "IDLE", "gpuCount": 1, "isStale": False}],
        "summary": {
            "running": 0,
            "idle": 1,
            "initializing": 0,
            "throttled": 0,
            "unhealthy": 0,
            "total": 1,
        },
    }
)


@dataclass
class Served:
    """The console, where it is, and what it was asked to run again."""

    journal: Journal
    access: ConsoleAccess
    console: Console
    server: ThreadServer
    repeated: list[Job] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.server.url}{self.access.path}"

    @property
    def entrance(self) -> str:
        return self.access.url(self.server.url)


@contextlib.contextmanager
def served(journal: Journal | None = None) -> Iterator[Served]:
    """Serve a console whose jobs named ``gone`` cannot be run again."""
    journal = journal or Journal()
    for event in (TARGET, SERVING, READY):
        journal.record(recorded(event))
    repeated: list[Job] = []

    def again(job: Job) -> None:
        if job.function == "gone":
            raise CannotRepeatError("no such function")
        repeated.append(job)

    access = ConsoleAccess()
    watch = WorkerWatch(lambda _: WORKERS, interval=0.2)
    console = Console(journal, access, watch, again)
    server = ThreadServer(console.beside(APP))
    server.start(60)
    try:
        yield Served(journal, access, console, server, repeated)
    finally:
        console.close()
        server.stop()
