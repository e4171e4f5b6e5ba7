"""The process that serves the app for ``flash run``; a new one for each reload."""

from __future__ import annotations

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

from ..errors import FlashError, ProvisioningError
from ..events import AppBroken, RemoteFunctionFound, Serving
from ..functions.registry import registry
from ..provisioner.discover import ResourceUse, discover
from ..provisioner.hardware import describe
from ..session import Session
from ..settings import Environment, read_environment
from .fresh import import_from_source
from .link import Assignment, Link
from .load import LoadedApp, load
from .serve import AppServer

# Live only: more endpoints than this are created after asking.
_ASK_ABOVE = 5
_GRACE = 5.0


def main(descriptor: int) -> None:
    """Serve what arrives over the connection at ``descriptor`` until told to stop."""
    link = Link(Connection(descriptor))
    assignment = link.assignment()
    serving = _Process()
    link.follow(serving.stop)
    try:
        environment = _prepare(assignment)
        session = Session(
            assignment.target,
            owner=assignment.owner,
            environment=environment,
            on_event=link.report,
        )
        with contextlib.closing(session), registry.bound(session.calls):
            loaded = load(assignment.location)
            uses = discover(registry.functions())
            if assignment.auto_provision:
                _provision(session, uses, assignment, link)
            ready = _ready(loaded, uses, session, assignment)
            serving.run(loaded.app, assignment.listener, lambda: link.report(ready))
    except FlashError as error:
        link.report(AppBroken(str(error)))
        if assignment.generation == 1:
            sys.exit(1)
        serving.run(_broken(str(error)), assignment.listener)


class _Process:
    """This process as something that serves, or does not yet, and can be stopped."""

    def __init__(self) -> None:
        self._server: AppServer | None = None

    def stop(self, grace: float) -> None:
        """End after ``grace`` seconds at most; at once while the app is being imported."""
        if self._server is None:
            os._exit(0)
        self._server.stop(grace)

    def run(
        self, app: ASGIApp, descriptor: int, on_started: Callable[[], None] = lambda: None
    ) -> None:
        """Serve ``app`` on an inherited listening socket until stopped."""
        self._server = AppServer(app, grace=_GRACE, on_started=on_started, access_log=True)
        self._server.serve_on(socket.socket(fileno=descriptor))


def _prepare(assignment: Assignment) -> Environment:
    logging.config.dictConfig(_logging())
    sys.path[:] = [entry for entry in sys.path if entry]
    import_from_source(assignment.location.root)
    environment = read_environment(assignment.location.folder, assignment.env_file)
    os.environ.update(environment.missing())
    return environment


def _logging() -> dict[str, Any]:
    config = deepcopy(LOGGING_CONFIG)
    # Start and stop are reported by `flash run` itself.
    config["loggers"]["uvicorn.error"]["level"] = "WARNING"
    return config


def _provision(
    session: Session, uses: tuple[ResourceUse, ...], assignment: Assignment, link: Link
) -> None:
    resources = [use.resource for use in uses]
    if assignment.target.is_live and not assignment.yes and len(resources) > _ASK_ABOVE:
        missing = session.provisioner.missing(resources)
        names = ", ".join(resource.name for resource in missing)
        if len(missing) > _ASK_ABOVE and not link.ask(
            f"Create {len(missing)} endpoints on Runpod ({names})?"
        ):
            raise ProvisioningError(
                f"{len(missing)} endpoints were not created. Pass --yes to create them without a "
                "question, or leave out --auto-provision to create each on its first call"
            )
    session.provisioner.ensure_all(resources)


def _ready(
    loaded: LoadedApp, uses: tuple[ResourceUse, ...], session: Session, assignment: Assignment
) -> Serving:
    functions = tuple(
        RemoteFunctionFound(
            name=spec.name,
            location=spec.location,
            endpoint=session.provisioner.endpoint_name(use.resource),
            hardware=describe(use.resource),
        )
        for use in uses
        for spec in use.functions
    )
    return Serving(assignment.url, loaded.name, assignment.generation, functions)


def _broken(text: str) -> ASGIApp:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await PlainTextResponse(text, status_code=503)(scope, receive, send)

    return app
