"""A worker for tests: the worker protocol with nothing but the standard library.

A job's input is ``{"do": NAME, …}``. The endpoint's environment decides how it starts:
EXIT_AT_START (a code), HANG_AT_START, UNHEALTHY, LISTEN (poll job-stop too), BATCH (take
so many jobs at once), MARK_SIGTERM (a file to make then), PINGS (send some), EXCHANGE (give
results for jobs).
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

WORKER = os.environ["RUNPOD_POD_ID"]
HEADERS = {"Authorization": os.environ["RUNPOD_AI_API_KEY"]}
STOPPED = threading.Event()


class Plane:
    """One connection to the worker plane."""

    def __init__(self) -> None:
        self._connection: http.client.HTTPConnection | None = None

    def request(self, method: str, url: str, body: bytes | None = None) -> tuple[int, bytes]:
        parts = urlsplit(url)
        if self._connection is None:
            self._connection = http.client.HTTPConnection(parts.netloc, timeout=90)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        self._connection.request(method, path, body, HEADERS)
        response = self._connection.getresponse()
        return response.status, response.read()


def url(name: str, job_id: str) -> str:
    template = os.environ[name]
    if name == "RUNPOD_WEBHOOK_GET_JOB":
        return template.replace("$ID", WORKER)
    return template.replace("$RUNPOD_POD_ID", WORKER).replace("$ID", job_id)


def send(plane: Plane, job_id: str, body: Any, name: str = "RUNPOD_WEBHOOK_POST_OUTPUT") -> int:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return plane.request("POST", url(name, job_id) + "&isStream=false", text)[0]


def environ() -> dict[str, Any]:
    here = Path.cwd()
    files = [path.name for path in here.iterdir()]
    return {"env": dict(os.environ), "cwd": str(here), "files": files, "argv": sys.argv}


def end(todo: dict[str, Any]) -> None:
    """End this process, by a signal or with a code."""
    if "number" in todo:
        os.kill(os.getpid(), todo["number"])
        time.sleep(60)
    print(todo["text"], flush=True)
    os._exit(todo["code"])


def exit_once(mark: Path) -> Any:
    if mark.exists():
        return {"output": "done"}
    mark.touch()
    os._exit(1)


def start_child() -> int:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid


# What a job asks for, to the body of its job-done: bytes as they are, None for none at all.
SIMPLE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "echo": lambda todo: {"output": todo["value"]},
    "pid": lambda _: {"output": os.getpid()},
    "environ": lambda _: {"output": environ()},
    "body": lambda todo: todo["body"],
    "raw": lambda todo: todo["text"].encode(),
    "nothing": lambda _: None,
    "big": lambda todo: {"output": "x" * todo["size"]},
    "exit once": lambda todo: exit_once(Path(todo["mark"])),
    "child": lambda _: {"output": start_child()},
    "print and exit": end,
    "signal": end,
}


def perform(plane: Plane, job: dict[str, Any]) -> Any:
    """Do what a job asks for; returns the body of its job-done."""
    todo = job["input"]
    action = todo["do"]
    if action in SIMPLE:
        return SIMPLE[action](todo)
    if action == "job":
        return {"output": job}
    if action == "sleep":
        stopped = STOPPED.wait(todo["seconds"])
        STOPPED.clear()
        return None if stopped else {"output": "slept"}
    if action == "late":
        time.sleep(todo["seconds"])
        return {"output": "late"}
    return converse(plane, job["id"], todo)


def converse(plane: Plane, job_id: str, todo: dict[str, Any]) -> Any:
    """What takes more requests than job-done."""
    action = todo["do"]
    if action == "progress":
        for step in todo["steps"]:
            send(plane, job_id, {"status": "IN_PROGRESS", "output": step})
        STOPPED.wait(todo["seconds"])
        return {"output": "done"}
    if action == "stream":
        for item in todo["items"]:
            send(plane, job_id, {"output": item}, "RUNPOD_WEBHOOK_POST_STREAM")
        return {"output": []}
    if action == "twice":
        send(plane, job_id, {"output": "first"})
        return {"output": "second"}
    if action == "unhealthy":
        report_unhealthy(plane)
        return {"output": os.getpid()}
    if action == "dependencies":
        request = json.dumps(todo["request"]).encode()
        status, body = plane.request("POST", os.environ["FLASH_DEPENDENCIES_URL"], request)
    elif action == "other plane":
        status, body = plane.request("GET", todo["url"])
    else:
        return {"error": f"unknown action {action!r}"}
    return {"output": [status, json.loads(body)]}


def report_unhealthy(plane: Plane) -> None:
    ping = os.environ["RUNPOD_WEBHOOK_PING"].replace("$RUNPOD_POD_ID", WORKER)
    plane.request("GET", f"{ping}?status=unhealthy&check=disk&reason=full")


def listen() -> None:
    plane = Plane()
    stop = url("RUNPOD_WEBHOOK_GET_JOB", "").replace("/job-take/", "/job-stop/")
    while True:
        status, body = plane.request("GET", stop)
        if status == 200 and json.loads(body)["jobsToStop"]:
            STOPPED.set()


def send_pings() -> None:
    plane, ping = Plane(), os.environ["RUNPOD_WEBHOOK_PING"].replace("$RUNPOD_POD_ID", WORKER)
    while True:
        plane.request("GET", ping)
        time.sleep(int(os.environ["RUNPOD_PING_INTERVAL"]) / 1000)


def die_with_emulator() -> None:
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


def leave(*_: object) -> None:
    if "MARK_SIGTERM" in os.environ:
        Path(os.environ["MARK_SIGTERM"]).touch()
    os._exit(0)


def main() -> None:
    if stat.S_ISFIFO(os.fstat(0).st_mode):  # a lifeline
        threading.Thread(target=die_with_emulator, daemon=True).start()
    signal.signal(signal.SIGTERM, leave)
    if "EXIT_AT_START" in os.environ:
        print("this worker does not want to start", flush=True)
        os._exit(int(os.environ["EXIT_AT_START"]))
    if "HANG_AT_START" in os.environ:
        time.sleep(600)
    plane = Plane()
    if "UNHEALTHY" in os.environ:
        report_unhealthy(plane)
        os._exit(1)
    if "PINGS" in os.environ:
        threading.Thread(target=send_pings, daemon=True).start()
    if "LISTEN" in os.environ:
        threading.Thread(target=listen, daemon=True).start()
    batch = os.environ.get("BATCH")
    take = url("RUNPOD_WEBHOOK_GET_JOB", "") + "&job_in_progress=0"
    if batch:
        take = take.replace("/job-take/", "/job-take-batch/") + f"&batch_size={batch}"
    if "EXCHANGE" in os.environ:
        exchange_jobs(plane, take)
    while True:
        status, body = plane.request("GET", take)
        if status != 200:
            continue
        found = json.loads(body)
        for job in found if isinstance(found, list) else [found]:
            result = perform(plane, job)
            if result is not None:
                send(plane, job["id"], result)


def exchange_jobs(plane: Plane, take: str) -> None:
    status, body = plane.request("GET", take)
    while True:
        if status == 200:
            job = json.loads(body)
            result = perform(plane, job)
            text = result if isinstance(result, bytes) else json.dumps(result).encode()
            exchange = os.environ["FLASH_EXCHANGE_URL"].replace("$ID", job["id"])
            status, body = plane.request("POST", exchange, text)
        else:
            status, body = plane.request("GET", take)


try:
    main()
except (ConnectionError, http.client.HTTPException):
    # The emulator is gone, and this thread learned of it before the one with the lifeline did.
    os.killpg(0, signal.SIGKILL)
