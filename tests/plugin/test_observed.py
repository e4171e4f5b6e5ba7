"""What a handler raises belongs to its test, whenever the client has its answer."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from pytest_flash.testing.observed import ObservedApp
from pytest_flash.testing.recorder import Recorder


async def broken(request: Request) -> Response:
    raise ZeroDivisionError


async def broken_later(request: Request) -> Response:
    return Response(background=BackgroundTask(broken, request))


@pytest.mark.parametrize(
    ("handler", "a_while"),
    [
        pytest.param(broken, 0.0, id="handler"),  # Its error always follows the answer.
        pytest.param(broken_later, 60.0, id="background task"),
    ],
)
def test_the_answer_may_arrive_before_its_sending_ends(
    handler: Callable[[Request], Awaitable[Response]], a_while: float
) -> None:
    recorder = Recorder(forward=lambda _: None)
    app = Starlette()
    app.add_route("/", handler)
    observed = ObservedApp(app, recorder, a_while=a_while)
    report: list[str] = []

    def write_report() -> None:
        observed.settle()
        report.extend(type(each.error).__name__ for each in recorder.errors)

    reporting = threading.Thread(target=write_report)

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            reporting.start()
            # As long as a client may be ahead.
            await asyncio.to_thread(reporting.join, 0.05)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}

    async def serve() -> None:
        with contextlib.suppress(ZeroDivisionError):
            await observed(scope, receive, send)

    asyncio.run(serve())
    reporting.join(60)
    assert report == ["ZeroDivisionError"]
