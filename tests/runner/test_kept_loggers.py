"""An app that configures logging for itself does not silence the server that it is served by."""

from __future__ import annotations

import logging
import logging.config
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from pytest_flash.errors import ServerError
from pytest_flash.runner.serving.app_server import ThreadServer
from pytest_flash.runner.serving.kept_loggers import KeptLoggers

NAMES = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")
# As the documentation of logging has it, without a word on loggers that exist.
OWN: dict[str, Any] = {
    "version": 1,
    "handlers": {"null": {"class": "logging.NullHandler"}},
    "root": {"handlers": ["null"]},
}


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Which loggers are disabled, and what the root has, whatever a test configures."""
    known = [each for each in logging.root.manager.loggerDict.values() if hasattr(each, "disabled")]
    before = [(each, each.disabled) for each in known]
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    for logger, disabled in before:
        logger.disabled = disabled
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def served(when: str) -> str:
    """What uvicorn logs of an error of a handler, where the app configures logging ``when``."""

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        if when == "start":
            logging.config.dictConfig(OWN)
        yield

    app = FastAPI(lifespan=life)

    @app.get("/configure")
    async def configure() -> None:
        logging.config.dictConfig(OWN)

    @app.get("/broken")
    async def broken() -> None:
        raise LookupError("no photo")

    heard: list[str] = []
    server = ThreadServer(app)
    if when == "import":
        logging.config.dictConfig(OWN)
    server.start(30)
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(logging.Formatter().format(record))  # type: ignore[method-assign]
    logging.getLogger("uvicorn.error").addHandler(handler)
    try:
        if when == "handler":
            httpx.get(f"{server.url}/configure", trust_env=False)
        assert httpx.get(f"{server.url}/broken", trust_env=False).status_code == 500
    finally:
        server.stop()
        logging.getLogger("uvicorn.error").removeHandler(handler)
    return "\n".join(heard)


@pytest.mark.parametrize("when", ["import", "start", "handler"])
def test_tracebacks_are_logged(when: str) -> None:
    assert "LookupError: no photo" in served(when)


def test_an_error_of_the_start_is_told() -> None:
    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        logging.config.dictConfig(OWN)
        raise OSError("no disk")
        yield

    with pytest.raises(ServerError, match="no disk"):
        ThreadServer(FastAPI(lifespan=life)).start(30)


def test_a_logger_that_was_disabled_by_itself_stays_so() -> None:
    kept = KeptLoggers()
    logging.getLogger("uvicorn.access").disabled = True
    kept.restore()
    assert logging.getLogger("uvicorn.access").disabled
    logging.config.dictConfig(OWN)
    kept.restore()
    assert not any(logging.getLogger(name).disabled for name in NAMES)


def test_tests_find_no_access_lines_among_what_the_app_logs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also where something has given uvicorn's logger a handler, as later pytests do."""
    app = FastAPI()

    @app.get("/")
    async def index() -> None:
        logging.getLogger("shop").info("low stock")

    caplog.set_level(logging.INFO)
    server = ThreadServer(app)
    server.start(30)
    access = logging.getLogger("uvicorn.access")
    access.addHandler(caplog.handler)
    try:
        httpx.get(server.url, trust_env=False)
    finally:
        access.removeHandler(caplog.handler)
        server.stop()
    names = {record.name for record in caplog.records}
    assert "shop" in names
    assert "uvicorn.access" not in names
