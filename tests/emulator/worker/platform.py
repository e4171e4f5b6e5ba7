"""A tiny HTTP server that plays the emulator for one worker, and that worker's process."""

from __future__ import annotations

import base64
import json
import os
import queue
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from textwrap import dedent
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import cloudpickle

Answer = tuple[int, dict[str, Any]]
CREDENTIAL = "worker-credential"


@dataclass(frozen=True)
class Seen:
    """One request of the worker."""

    verb: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Outcome:
    """What a worker posted about one job."""

    done: dict[str, Any]

    @property
    def output(self) -> dict[str, Any]:
        value: dict[str, Any] = self.done["output"]
        return value

    @property
    def error(self) -> str:
        value: str = self.done["error"]
        return value

    @property
    def stdout(self) -> str:
        value: str = self.output["stdout"]
        return value

    @property
    def value(self) -> Any:
        """The unpickled result of a call that succeeded."""
        assert self.output["success"], self.done
        assert "error" not in self.done
        return cloudpickle.loads(base64.b64decode(self.output["result"]))


class Platform:
    """Serves job-take, job-done, job-exchange, ping and dependencies; records every request.

    ``refusals``: statuses to answer the next requests of a verb with, before serving them; 0
    hangs up.
    ``oddities``: bodies to answer the next job-takes with. ``hold``: seconds of a long poll.
    ``hangs_up``: close the connection after handing out a job, without announcing it.
    """

    def __init__(self, provide: Callable[[list[str]], Answer] | None = None) -> None:
        self.seen: list[Seen] = []
        self.refusals: dict[str, list[int]] = {}
        self.oddities: list[object] = []
        self.taking = threading.Event()
        self.hold = 0.7
        self.hangs_up = False
        self._provide = provide
        self._jobs: queue.Queue[dict[str, Any]] = queue.Queue()
        self._results: dict[str, queue.Queue[dict[str, Any]]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/worker/v2/ep"

    def submit(self, value: object, **extra: object) -> str:
        """Queue a job with this input; its id."""
        job_id = f"job {uuid.uuid4()}"
        self._results[job_id] = queue.Queue()
        self._jobs.put({"id": job_id, "input": value, **extra})
        return job_id

    def result(self, job_id: str, timeout: float = 20) -> Outcome:
        """The first result that the worker posts for a job."""
        return Outcome(self._results[job_id].get(timeout=timeout))

    def run(self, value: object) -> Outcome:
        """Submit a job and wait for its result."""
        return self.result(self.submit(value))

    def call(self, code: str, *args: object, timeout: float = 20, **fields: Any) -> Outcome:
        """Run function ``f`` of the source with these arguments; ``fields`` of the request."""
        request = function_request(code, *args, **fields)
        return self.result(self.submit(request), timeout)

    def queued(self) -> list[str]:
        """Ids of the jobs that nobody took."""
        return [job["id"] for job in self._jobs.queue]

    def requests(self, verb: str) -> list[Seen]:
        """What the worker has asked so far."""
        return [each for each in self.seen if each.verb == verb]

    def answer(self, seen: Seen) -> tuple[int, object]:
        """Serve one request."""
        self.seen.append(seen)
        if refusals := self.refusals.get(seen.verb):
            return refusals.pop(0), {"error": "refused by the test"}
        if seen.verb == "job-take":
            return self._take()
        if seen.verb in ("job-done", "job-exchange"):
            self._results[seen.path.rpartition("/")[2].replace("%20", " ")].put(
                json.loads(seen.body)
            )
        if seen.verb == "dependencies":
            assert self._provide is not None
            return self._provide(json.loads(seen.body)["dependencies"])
        if seen.verb == "job-exchange":
            return self._take()
        return 200, {}

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _take(self) -> tuple[int, object]:
        if self.oddities:
            return 200, self.oddities.pop(0)
        self.taking.set()
        try:
            return 200, self._jobs.get(timeout=self.hold)
        except queue.Empty:
            return 204, None
        finally:
            self.taking.clear()


def _handler_for(platform: Platform) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            verb = url.path.split("/")[4]
            seen = Seen(verb, url.path, dict(parse_qsl(url.query)), dict(self.headers), body)
            status, answer = platform.answer(seen)
            if status == 0:
                self.close_connection = True
                return
            text = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
            self.close_connection = verb == "job-take" and status == 200 and platform.hangs_up

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            return

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                return  # workers are killed while they wait

    return Handler


class WorkerProcess:
    """A worker, started the way the emulator starts one."""

    def __init__(
        self, argv: Sequence[str], platform: Platform, home: Path, **variables: str
    ) -> None:
        self.home = home
        self.log = home.with_suffix(".log")
        home.mkdir()
        read, self._lifeline = os.pipe()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                argv,
                env=_environment(platform.base, home) | variables,
                cwd=home,
                stdin=read,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        os.close(read)

    @property
    def output(self) -> str:
        """What the worker's log holds so far."""
        return self.log.read_text(encoding="utf-8")

    def cut_lifeline(self) -> None:
        """What the kernel does when the emulator ends, however it ends."""
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def end(self) -> None:
        self.cut_lifeline()
        self.process.wait(30)


def _environment(base: str, home: Path) -> dict[str, str]:
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "RUNPOD_WEBHOOK_GET_JOB": f"{base}/job-take/$ID?gpu=emulated",
        "RUNPOD_WEBHOOK_POST_OUTPUT": f"{base}/job-done/$RUNPOD_POD_ID/$ID?gpu=emulated",
        "RUNPOD_WEBHOOK_POST_STREAM": f"{base}/job-stream/$RUNPOD_POD_ID/$ID?gpu=emulated",
        "RUNPOD_WEBHOOK_PING": f"{base}/ping/$RUNPOD_POD_ID",
        "RUNPOD_PING_INTERVAL": "10000",
        "RUNPOD_AI_API_KEY": CREDENTIAL,
        "RUNPOD_POD_ID": "worker1",
        "RUNPOD_POD_HOSTNAME": "worker1",
        "RUNPOD_ENDPOINT_ID": "ep",
        "FLASH_DEPENDENCIES_URL": f"{base}/dependencies/worker1",
    }


def encode(value: object) -> str:
    """An argument as the function protocol carries it."""
    return base64.b64encode(cloudpickle.dumps(value)).decode()


def function_request(code: str, *args: object, **fields: Any) -> dict[str, Any]:
    """A FunctionRequest for the function ``f`` of the source."""
    return {
        "function_name": "f",
        "function_code": dedent(code),
        "args": [encode(value) for value in args],
        **fields,
    }


def wait_for(condition: Callable[[], object], timeout: float = 5) -> None:
    """Return once the condition holds; fail after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout} s"
        time.sleep(0.01)  # the interval of a wait that has a deadline
