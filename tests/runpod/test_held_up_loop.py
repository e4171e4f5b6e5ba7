"""An event loop that something holds up loses no request."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import uvloop

from tests.runpod.peers import asking


@contextmanager
def answering() -> Iterator[str]:
    """A server in threads of its own, which answers while a loop here is held up."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Nothing is written."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("turns", range(1, 4))
def test_a_loop_that_is_held_up_loses_no_request(
    make_loop: Callable[[], asyncio.AbstractEventLoop], turns: int
) -> None:
    """In each step of a request the loop is held up for longer than the step may take."""

    async def main(url: str) -> None:
        async with asking() as client:
            asked = asyncio.ensure_future(client.post(url, content="x", timeout=0.4))
            for _ in range(turns):
                await asyncio.sleep(0)
            time.sleep(0.6)  # noqa: ASYNC251 - what holds it up
            assert (await asked).body == b"ok"

    loop = make_loop()
    try:
        with answering() as url:
            loop.run_until_complete(main(url))
    finally:
        loop.close()
