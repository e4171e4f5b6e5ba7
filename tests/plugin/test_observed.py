"""What a handler raises belongs to its test, whenever the client has its answer."""

from __future__ import annotations

import asyncio
import threading

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from pytest_flash.testing.observed import ObservedApp
from pytest_flash.testing.recorder import Recorder


async def broken(request: Request) -> Response:
    raise ZeroDivisionError


def test_the_answer_may_arrive_before_its_sending_ends() -> None:
    recorder = Recorder(forward=lambda _: None)
    app = Starlette()
    app.add_route("/", broken)
    observed = ObservedApp(app, recorder)
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
            await asyncio.to_thread(reporting.join, 0.05)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}
    asyncio.run(observed(scope, receive, send))
    reporting.join(10)
    assert report == ["ZeroDivisionError"]
