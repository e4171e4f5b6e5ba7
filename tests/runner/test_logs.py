"""What a serving process logs of errors that came from a worker."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from typing import Any

from pytest_flash import LiveServerless, remote
from pytest_flash.errors import JobFailedError, RunpodConnectionError
from pytest_flash.functions.registry import registry
from pytest_flash.runner.serving.app_server import GRACE_IS_OVER
from pytest_flash.runner.serving.logging_setup import WithoutRemoteTraceback

_TRACE = 'File "main.py", line 3, in work\n    return 1 / 0\nZeroDivisionError: division by zero'


def remote_error() -> JobFailedError:
    return JobFailedError(f"work failed\n\nRemote traceback:\n{_TRACE}\n", remote_traceback=_TRACE)


def logged(raising: Callable[[], None]) -> str:
    """What the log has of the exception that ``raising`` raises."""
    record = logging.LogRecord("x", logging.ERROR, "", 1, "failed", (), None)
    try:
        raising()
    except (JobFailedError, RunpodConnectionError, LookupError, asyncio.CancelledError):
        record.exc_info = sys.exc_info()
    assert WithoutRemoteTraceback().filter(record)
    return logging.Formatter("%(message)s").format(record)


def test_the_remote_traceback_is_left_to_the_job() -> None:
    def handler() -> None:
        raise remote_error()

    text = logged(handler)
    assert text.startswith("failed\nTraceback (most recent call last):\n")
    assert "in handler" in text
    assert "work failed" in text
    assert "1 / 0" not in text


def test_so_is_that_of_an_error_that_caused_another() -> None:
    def handler() -> None:
        try:
            raise remote_error()
        except JobFailedError as error:
            raise LookupError("no photo") from error

    text = logged(handler)
    assert "LookupError: no photo" in text
    assert "direct cause" in text
    assert "1 / 0" not in text


def test_frames_that_a_worker_gave_are_left_out() -> None:
    """An error that is raised as it was there has the worker's frames behind those of the call."""
    source = "def work():\n    raise KeyError('photo')\n"
    names: dict[str, Any] = {}
    exec(compile(source, "/project/main.py", "exec"), names)

    async def call(self: object, spec: object, args: object, kwargs: object) -> None:
        try:
            names["work"]()
        except KeyError as error:
            error.remote_traceback = "Traceback: on the worker"  # type: ignore[attr-defined]
            raise

    @remote(LiveServerless(name="logs"))
    def stand_in() -> None: ...

    with registry.bound(type("Caller", (), {"call": call})()):

        def handler() -> None:
            asyncio.run(stand_in())

        text = logged(handler)
    assert "in handler" in text
    assert "KeyError: 'photo'" in text
    assert "/project/main.py" not in text
    assert "decorator.py" not in text


def test_of_our_own_errors_the_apps_frames_are_shown() -> None:
    async def call(self: object, spec: object, args: object, kwargs: object) -> None:
        raise RunpodConnectionError("no answer")

    @remote(LiveServerless(name="logs"))
    def stand_in() -> None: ...

    with registry.bound(type("Caller", (), {"call": call})()):

        def handler() -> None:
            asyncio.run(stand_in())

        text = logged(handler)
    assert "in handler" in text
    assert "RunpodConnectionError: no answer" in text
    assert "decorator.py" not in text


def test_a_request_that_outlives_its_server_is_one_line() -> None:
    def handler() -> None:
        raise asyncio.CancelledError(GRACE_IS_OVER)

    assert logged(handler) == f"A request was ended: {GRACE_IS_OVER}"


def test_the_apps_own_errors_are_told_in_full() -> None:
    def handler() -> None:
        raise LookupError("no photo")

    text = logged(handler)
    assert "LookupError: no photo" in text
    assert "in logged" in text
