"""A relay in front of an emulator's management plane: it counts, delays and keeps what passes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx


@dataclass(frozen=True)
class Exchange:
    """One request and its answer; bodies as JSON, None where there was none."""

    method: str
    path: str
    request: Any
    status: int
    answer: Any


@dataclass
class Relay:
    """``url`` stands for the management base URL. ``delay`` is seconds, by method.

    Requests of the methods in ``refused`` are answered with 403 and not passed on.
    """

    url: str
    delay: dict[str, float] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    exchanges: list[Exchange] = field(default_factory=list)

    def count(self, method: str) -> int:
        """How many requests of ``method`` have passed."""
        return sum(each.method == method for each in self.exchanges)


@contextmanager
def relaying(management_url: str) -> Iterator[Relay]:
    """Serve a relay to ``management_url`` while the context lasts."""
    with httpx.Client(trust_env=False, timeout=60) as client:
        relay = Relay("")
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(management_url, client, relay))
        server.daemon_threads = True
        relay.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield relay
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _handler(
    base: str, client: httpx.Client, relay: Relay
) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def relay(self) -> None:
            if self.command in relay.refused:
                self.send_error(403)
                return
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {"Authorization": self.headers.get("Authorization", "")}
            if body:
                headers["Content-Type"] = "application/json"
            answer = client.request(self.command, base + self.path, content=body, headers=headers)
            time.sleep(relay.delay.get(self.command, 0))  # What is under test takes this long.
            relay.exchanges.append(
                Exchange(
                    self.command,
                    self.path,
                    json.loads(body) if body else None,
                    answer.status_code,
                    answer.json() if answer.content else None,
                )
            )
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers.get("Content-Type", ""))
            if answer.status_code != 204:
                self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = do_PATCH = do_DELETE = relay

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is written."""

    return Handler
