"""The fixtures of the pytest plugin. Whatever is heavy is imported when a test asks for it.

Loaded by every pytest run on the machine; see ``plugin``: PYTEST_DONT_REWRITE.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx
    from fastapi import FastAPI

    from .emulator.client.control import EmulatorControl
    from .runner.serving.app_server import ThreadServer
    from .testing.config import FlashConfig
    from .testing.endpoints import Endpoints
    from .testing.observing.jobs import Jobs
    from .testing.session import FlashSession

TEST_FILES: pytest.StashKey[set[Path]] = pytest.StashKey()
"""The files of every test that was collected, also of those that were deselected."""


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Our errors say what happened and what to do: our frames would only hide that."""
    from .errors import FlashError

    try:
        yield
    except FlashError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@pytest.fixture(scope="session")
def flash_config(request: pytest.FixtureRequest) -> FlashConfig:
    """What the other fixtures go by. Override it to change it, with ``dataclasses.replace``."""
    from .testing.config import read_config

    return read_config(request.config)


@pytest.fixture(scope="session")
def flash_session(
    request: pytest.FixtureRequest, flash_config: FlashConfig
) -> Iterator[FlashSession]:
    """Where remote functions run: the embedded Runpod, or Runpod with ``--flash-live``.

    Calls of remote functions go there for as long as the fixture lasts, and the app's ``.env`` is
    loaded. Endpoints that a run created on Runpod are deleted at the end of the last run that
    uses them.
    """
    from .testing.session_opening import open_session

    with _told(), open_session(request, flash_config) as session:
        yield session


@pytest.fixture(scope="session")
def flash_app(
    flash_config: FlashConfig,
    flash_session: FlashSession,  # first, so that the app sees its .env
) -> FastAPI:
    """The app under test. Override it to make the app in another way.

    By default it is found as ``flash run`` finds it: ``--flash-app``, PYTEST_FLASH_APP, ini
    ``flash_app``, else where ``fastapi dev`` would look in pytest's rootdir, or ``server.py``.
    """
    from .runner.app.load import load

    live = flash_session.target.is_live
    instead, embedded = (None, "without --flash-live") if live else ("--flash-live", "")
    with _told():
        location = flash_config.require_location()
        app: FastAPI = load(location, instead=instead, embedded=embedded).app
    return app


@pytest.fixture(scope="session")
def flash_endpoints(
    request: pytest.FixtureRequest,
    flash_app: FastAPI,  # noqa: ARG001 - first, so that its functions are registered
    flash_session: FlashSession,
) -> Endpoints:
    """The endpoints of the app's resources by resource name, provisioned.

    ``flash_endpoints.stub(function, replacement)`` replaces a function for one test.
    """
    test_files = request.config.stash.get(TEST_FILES, set())
    with _told():
        return flash_session.provision(test_files)


@pytest.fixture(scope="session")
def flash_server(
    flash_app: FastAPI,
    flash_endpoints: Endpoints,  # noqa: ARG001 - first, so that no call waits
    flash_session: FlashSession,
) -> Iterator[ThreadServer]:
    """The app, served on a free port of 127.0.0.1: ``url``, ``port``, ``app``."""
    with _told(), flash_session.serving(flash_app) as server:
        yield server


@pytest.fixture
def flash_client(
    flash_server: ThreadServer, flash_endpoints: Endpoints, flash_session: FlashSession
) -> Iterator[httpx.Client]:
    """An HTTP client of the running app: ``flash_client.get("/").json()``. It is httpx's own."""
    with flash_session.client(flash_server.url, flash_endpoints) as client:
        yield client


@pytest.fixture
def flash_async_client(
    flash_server: ThreadServer, flash_endpoints: Endpoints, flash_session: FlashSession
) -> httpx.AsyncClient:
    """An asynchronous HTTP client of the running app: ``await flash_async_client.get("/")``.

    For any event loop. It keeps no connection, so there is nothing to close in that loop.
    """
    return flash_session.async_client(flash_server.url, flash_endpoints)


@pytest.fixture
def flash_jobs(flash_session: FlashSession) -> Jobs:
    """The jobs made during this test, in order, by the test itself and by the app's handlers.

    ``flash_jobs.of(function)`` has those of one function, ``flash_jobs.failed`` those that failed.
    """
    return flash_session.recorder.current


@pytest.fixture
def flash_emulator(request: pytest.FixtureRequest) -> Iterator[EmulatorControl]:
    """Faults of the embedded Runpod: ``flash_emulator.kill_worker()``, ``no_capacity()``.

    They touch this test alone and are gone at its end.
    """
    if request.config.getoption("flash_live"):
        pytest.fail(
            f"{request.node.nodeid} uses flash_emulator: faults can be set on the embedded Runpod "
            "only. Leave out --flash-live, or mark this test flash_emulator",
            pytrace=False,
        )
    if request.config.getoption("flash_in_process"):
        pytest.skip("faults do not apply with --flash-in-process")
    from .emulator.client.control import EmulatorControl

    session: FlashSession = request.getfixturevalue("flash_session")
    target = session.target
    assert target.scope is not None
    with (
        EmulatorControl(target.management_url, target.api_key) as control,
        control.scoped(target.scope) as scoped,
    ):
        yield scoped
