"""The fixtures of the pytest plugin. Whatever is heavy is imported when a test asks for it."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pytest

from .errors import ProvisioningError

if TYPE_CHECKING:
    from contextlib import ExitStack

    import httpx
    from fastapi import FastAPI

    from .emulator.control import EmulatorControl
    from .project import Project
    from .provisioner.plan import Plan
    from .runner.locate import AppLocation
    from .runner.serve import ThreadServer
    from .runpod import Endpoint
    from .session import Identity, Session
    from .settings import Environment
    from .target import Target

_START_TIMEOUT = 60.0


@pytest.fixture(scope="session")
def flash_session(request: pytest.FixtureRequest) -> Iterator[Session]:
    """Where remote functions run: the embedded Runpod, or Runpod with ``--flash-live``.

    Calls of remote functions go there for as long as the fixture lasts. Endpoints that test
    runs created on Runpod are deleted at the end of the last run that uses them.
    """
    from .functions.registry import registry
    from .project import find_project
    from .provisioner.reaper import reaping
    from .session import Session
    from .settings import read_environment

    location = _location(request.config)
    folder = location.folder if location else request.config.rootpath
    environment = read_environment(folder)
    project = find_project(folder)
    with contextlib.ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in environment.missing().items():
            patch.setenv(name, value)
        target = _target(request.config, environment, project, stack)
        identity = _identity(request.config, environment, project)
        limit = request.config.getoption("flash_max_endpoints")
        session = Session(target, identity, environment, max_creations=limit)
        stack.callback(session.close)
        if session.ledger is not None and not request.config.getoption("flash_keep"):
            stack.enter_context(reaping(target, session.ledger))
        stack.callback(_release, session, keep=request.config.getoption("flash_keep"))
        for name, error in session.provisioner.retry_deletions().items():
            warnings.warn(f"{name} could not be deleted on Runpod: {error}", stacklevel=2)
        stack.enter_context(registry.bound(session.calls))
        yield session


@pytest.fixture(scope="session")
def flash_app(
    request: pytest.FixtureRequest,
    flash_session: Session,  # noqa: ARG001 - first, so that the app sees its .env
) -> FastAPI:
    """The app under test. Override it to make the app in another way.

    By default it is found as ``flash run`` finds it: ``--flash-app``, ini ``flash_app``, else
    ``main.py``, ``app.py`` or ``server.py`` in pytest's rootdir.
    """
    from .runner.load import load
    from .runner.locate import locate

    location = _location(request.config) or locate(None, request.config.rootpath)
    app: FastAPI = load(location).app
    return app


@pytest.fixture(scope="session")
def flash_endpoints(
    request: pytest.FixtureRequest,
    flash_app: FastAPI,  # noqa: ARG001 - first, so that its functions are registered
    flash_session: Session,
) -> Mapping[str, Endpoint]:
    """The endpoints of the app's resources by resource name, provisioned."""
    from .functions.registry import registry
    from .provisioner.discover import discover

    tests = {item.path for item in request.session.items}
    uses = discover(registry.functions(), exclude=tests)
    resources = [(use.resource, use.functions[0].file) for use in uses]
    if flash_session.target.is_live:
        _stay_within_limit(request.config, flash_session.provisioner.plan(resources))
    return flash_session.provisioner.ensure_all(resources)


@pytest.fixture(scope="session")
def flash_server(
    flash_app: FastAPI,
    flash_endpoints: Mapping[str, Endpoint],  # noqa: ARG001 - first, so that no call waits
) -> Iterator[ThreadServer]:
    """The app, served on a free port of 127.0.0.1: ``url``, ``port``, ``app``."""
    from .runner.serve import ThreadServer

    server = ThreadServer(flash_app)
    server.start(_START_TIMEOUT)
    yield server
    server.stop()


@pytest.fixture
def flash_client(
    flash_server: ThreadServer, flash_endpoints: Mapping[str, Endpoint]
) -> Iterator[httpx.Client]:
    """An HTTP client of the app."""
    import httpx

    timeout = _client_timeout(flash_endpoints)
    with httpx.Client(base_url=flash_server.url, timeout=timeout, trust_env=False) as client:
        yield client


@pytest.fixture
def flash_async_client(
    flash_server: ThreadServer, flash_endpoints: Mapping[str, Endpoint]
) -> httpx.AsyncClient:
    """An asynchronous HTTP client of the app, for any event loop.

    It keeps no connection, so there is nothing to close in the loop that used it.
    """
    import httpx

    return httpx.AsyncClient(
        base_url=flash_server.url,
        timeout=_client_timeout(flash_endpoints),
        limits=httpx.Limits(max_keepalive_connections=0),
        trust_env=False,
    )


@pytest.fixture
def flash_emulator(request: pytest.FixtureRequest) -> Iterator[EmulatorControl]:
    """Faults of the embedded Runpod, which touch this test alone and are gone at its end."""
    if request.config.getoption("flash_live"):
        raise pytest.UsageError(
            f"{request.node.nodeid} uses flash_emulator: faults can be set on the embedded Runpod "
            "only. Leave out --flash-live, or this test (-m, -k, a skipif mark)"
        )
    from .emulator.control import EmulatorControl

    session: Session = request.getfixturevalue("flash_session")
    target = session.target
    assert target.scope is not None
    with (
        EmulatorControl(target.management_url, target.api_key) as control,
        control.scoped(target.scope) as scoped,
    ):
        yield scoped


def _location(config: pytest.Config) -> AppLocation | None:
    """Where the named app is: the option seen from the current folder, the ini from its own."""
    from .runner.locate import FILE_NAMES, locate

    option, ini = config.getoption("flash_app"), config.getini("flash_app")
    if option:
        return locate(option, config.invocation_params.dir)
    if ini or any((config.rootpath / name).is_file() for name in FILE_NAMES):
        return locate(ini or None, config.rootpath)
    return None


def _target(
    config: pytest.Config, environment: Environment, project: Project, stack: ExitStack
) -> Target:
    from .emulator.client import EmulatorProcess
    from .target import embedded, open_live

    if config.getoption("flash_live"):
        return open_live(environment, reason="--flash-live", granted=True)
    emulator = EmulatorProcess.start(project.root)
    stack.callback(emulator.stop)
    return embedded(emulator.management_url, emulator.queue_url, emulator.api_key, "pytest")


def _identity(config: pytest.Config, environment: Environment, project: Project) -> Identity:
    from .provisioner.owner import choose_namespace
    from .provisioner.users import User
    from .session import Identity

    option, live = config.getoption("flash_namespace"), config.getoption("flash_live")
    namespace = choose_namespace(option, environment, live=live)
    return Identity(project, namespace, "test", User.current())


def _stay_within_limit(config: pytest.Config, plan: Plan) -> None:
    limit, wanted = config.getoption("flash_max_endpoints"), plan.creations
    if len(wanted) > limit:
        names = ", ".join(each.endpoint_name for each in wanted)
        pytest.exit(
            f"this run would create {len(wanted)} endpoints on Runpod ({names}); the limit is "
            f"{limit}. Raise it with --flash-max-endpoints {len(wanted)}",
            returncode=pytest.ExitCode.USAGE_ERROR,
        )


def _release(session: Session, *, keep: bool) -> None:
    """Leave nothing on Runpod that nobody uses; what stays is named, since it costs money."""
    left = session.provisioner.release(keep=keep)
    if left:
        lines = "\n".join(f"  {name}: {error}" for name, error in left.items())
        raise ProvisioningError(
            f"these endpoints could not be deleted on Runpod:\n{lines}\n"
            f"Run 'flash undeploy {' '.join(left)}'; the next test run tries again first"
        )


def _client_timeout(endpoints: Mapping[str, Endpoint]) -> float:
    """Seconds: the longest time that a function may run, and the time to start a worker."""
    longest = max((endpoint.timeout for endpoint in endpoints.values()), default=0)
    return longest / 1000 + _START_TIMEOUT
