"""The process that serves the app for ``flash run``; a new one for each reload."""

from __future__ import annotations

import asyncio
import contextlib
import logging.config
import os
import socket
import sys
from collections.abc import Callable
from copy import deepcopy
from multiprocessing.connection import Connection
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp
from uvicorn.config import LOGGING_CONFIG

from ..errors import FlashError
from ..events import AppBroken, Notice, Serving
from ..functions.registry import registry
from ..functions.warm import warm
from ..provisioner.discover import discover
from ..provisioner.overview import overview
from ..provisioner.plan import Plan
from ..provisioner.rollout import Rollout
from ..session import Session
from ..settings import Environment, read_environment
from .fresh import Imports, import_from_source
from .link import Assignment, Link
from .load import load
from .serve import AppServer

_GRACE = 5.0


def main(descriptor: int) -> None:
    """Serve what arrives over the connection at ``descriptor`` until told to stop."""
    link = Link(Connection(descriptor))
    assignment = link.assignment()
    process = _Process(assignment.listener)
    link.follow(process.stop)
    try:
        _serve_app(assignment, link, process)
    except FlashError as error:
        link.report(AppBroken(str(error)))
        if assignment.generation == 1 or process.stopping:
            sys.exit(1)
        process.run(_broken(str(error)))


def _serve_app(assignment: Assignment, link: Link, process: _Process) -> None:
    environment, imports = _prepare(assignment)
    session = Session(
        assignment.target,
        assignment.identity,
        environment,
        adopt=assignment.provision.adopt,
        on_event=link.report,
    )
    with contextlib.closing(session), registry.bound(session.calls):
        loaded = load(assignment.location)
        uses = discover(registry.functions())
        if assignment.provision.before:
            rollout = session.rollout()
            plan = rollout.plan(uses)
            if assignment.provision.dry_run:
                link.report(rollout.described(plan))
                return
            _provision(session, rollout, plan, assignment, link, imports)
        existing = session.existing(use.resource for use in uses)
        endpoints = overview(uses, assignment.identity.owner, existing)
        ready = Serving(assignment.url, loaded.name, assignment.generation, endpoints)
        process.run(loaded.app, lambda: link.report(ready))


class _Process:
    """This process as something that serves, or does not yet, and can be stopped."""

    def __init__(self, descriptor: int) -> None:
        self._listener = socket.socket(fileno=descriptor)
        self._server: AppServer | None = None
        self.stopping = False

    def stop(self, grace: float) -> None:
        """End after ``grace`` seconds at most; at once while the app is being imported."""
        self.stopping = True
        if self._server is None:
            os._exit(0)
        self._server.stop(grace)

    def run(self, app: ASGIApp, on_started: Callable[[], None] = lambda: None) -> None:
        """Serve ``app`` on the inherited listening socket until stopped."""
        self._server = AppServer(app, grace=_GRACE, on_started=on_started, access_log=True)
        self._server.serve_on(self._listener)


def _prepare(assignment: Assignment) -> tuple[Environment, Imports]:
    logging.config.dictConfig(_logging())
    sys.path[:] = [entry for entry in sys.path if entry]
    imports = import_from_source(assignment.location.root)
    environment = read_environment(assignment.location.folder, assignment.env_file)
    os.environ.update(environment.missing())
    return environment, imports


def _logging() -> dict[str, Any]:
    config = deepcopy(LOGGING_CONFIG)
    # Start and stop are reported by `flash run` itself.
    config["loggers"]["uvicorn.error"]["level"] = "WARNING"
    return config


def _provision(
    session: Session,
    rollout: Rollout,
    plan: Plan,
    assignment: Assignment,
    link: Link,
    imports: Imports,
) -> None:
    options = assignment.provision
    rollout.agree(plan, (lambda _: True) if options.yes else link.ask)
    for name, error in session.provisioner.retry_deletions().items():
        link.report(Notice(f"{name} could not be deleted: {error}"))
    rollout.apply(plan)
    # A module that did not import may define what seems to be gone.
    if assignment.generation == 1 and not options.keep_orphans and not imports.failed:
        rollout.remove_orphans(plan, imports.files)
    if options.warm:
        resources = [wanted.resource for wanted, _ in plan.steps]
        for name, error in asyncio.run(warm(session.calls, resources)).items():
            link.report(Notice(f"{name} is not warm: {error}"))


def _broken(text: str) -> ASGIApp:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await PlainTextResponse(text, status_code=503)(scope, receive, send)

    return app
