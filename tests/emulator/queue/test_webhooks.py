"""Webhooks, delivered to a real server."""

from __future__ import annotations

import itertools
import json
import queue
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.harness import Emulator, StartEmulator, serving_project

DELAY = 0.1


class Receiver:
    """Takes webhooks and answers with ``statuses``, one after the other, then with 200."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.calls: queue.Queue[tuple[float, dict[str, Any]]] = queue.Queue()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.headers["Content-Type"] == "application/json"
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()
                receiver.calls.put((time.monotonic(), json.loads(body)))

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def next(self) -> tuple[float, dict[str, Any]]:
        return self.calls.get(timeout=10)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def quick(start_emulator: StartEmulator) -> Emulator:
    return start_emulator(webhook_delay=DELAY)


def submit(emulator: Emulator, endpoint: str, url: str, **todo: Any) -> str:
    body = {"input": todo, "webhook": url}
    answer = emulator.queue.post(f"/{endpoint}/run", content=json.dumps(body))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def test_a_job_that_ends_is_posted_as_status_shows_it(quick: Emulator, receiver: Receiver) -> None:
    endpoint = quick.create(workers={"max": 1})
    job = submit(quick, endpoint, receiver.url, do="echo", value=[1, "ü", "\ud800"])
    assert receiver.next()[1] == quick.ended(endpoint, job)
    failed = submit(quick, endpoint, receiver.url, do="body", body={"error": "oh"})
    assert receiver.next()[1] == quick.ended(endpoint, failed)
    running = submit(quick, endpoint, receiver.url, do="sleep", seconds=30)
    quick.running(endpoint, running)
    quick.queue.post(f"/{endpoint}/cancel/{running}")
    assert receiver.next()[1]["status"] == "CANCELLED"
    assert receiver.calls.empty()


def test_it_is_tried_three_times_in_all(quick: Emulator, receiver: Receiver) -> None:
    endpoint = quick.create(workers={"max": 1})
    receiver.statuses = [500, 201, 404, 500]
    submit(quick, endpoint, receiver.url, do="echo", value=1)
    calls = [receiver.next() for _ in range(3)]
    assert calls[0][1] == calls[1][1] == calls[2][1]
    assert all(later[0] - sooner[0] >= DELAY for sooner, later in itertools.pairwise(calls))
    # A fourth attempt would come before the end of another job's three.
    receiver.statuses = [500, 500]
    job = submit(quick, endpoint, receiver.url, do="echo", value=2)
    assert {receiver.next()[1]["id"] for _ in range(3)} == {job}


def test_nothing_listens(quick: Emulator, receiver: Receiver) -> None:
    endpoint = quick.create(workers={"max": 1})
    submit(quick, endpoint, "http://127.0.0.1:9/", do="echo", value=1)
    job = submit(quick, endpoint, receiver.url, do="echo", value=2)
    assert receiver.next()[1]["id"] == job


@pytest.mark.parametrize("reach", ["anywhere", "nowhere"])
def test_other_hosts_are_allowed_when_the_project_says_so(tmp_path: Path, reach: str) -> None:
    options = f'[tool.flash.emulator]\nwebhooks = "{reach}"\n'
    (tmp_path / "pyproject.toml").write_text(options)
    with serving_project(tmp_path) as emulator:
        endpoint = emulator.create(workers={"max": 0})
        submit(emulator, endpoint, "https://example.invalid/hook", do="pid")


def test_webhooks_set_to_nowhere_are_not_sent(tmp_path: Path, receiver: Receiver) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.flash.emulator]\nwebhooks = "nowhere"\n')
    with serving_project(tmp_path) as emulator:
        endpoint = emulator.create(workers={"max": 0})
        job = submit(emulator, endpoint, receiver.url, do="pid")
        emulator.queue.post(f"/{endpoint}/cancel/{job}")
        assert emulator.status(endpoint, job)["status"] == "CANCELLED"
    assert receiver.calls.empty()
