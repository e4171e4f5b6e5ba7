"""A real emulator with test workers, and how to talk to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import httpx

from pytest_flash.emulator.client.control import EmulatorControl

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
KEY = "the-users-key"


@dataclass
class Emulator:
    """A running emulator and clients for its planes."""

    process: subprocess.Popen[bytes]
    origin: str
    management: httpx.Client
    queue: httpx.Client

    def create(self, **changes: Any) -> str:
        """Make an endpoint of test workers; returns its id."""
        body: dict[str, Any] = {
            "name": "test",
            "type": "QUEUE",
            "image": "test/worker",
            "cpu": [{"id": "cpu3c", "vcpuCount": 2}],
            "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
        }
        answer = self.management.post("/v2/serverless", json={**body, **changes})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def run(self, endpoint: str, **todo: Any) -> str:
        """Submit a job; returns its id."""
        answer = self.queue.post(f"/{endpoint}/run", json={"input": todo})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def call(self, endpoint: str, **todo: Any) -> dict[str, Any]:
        """Submit a job and wait for its end; returns its document."""
        answer = self.queue.post(f"/{endpoint}/runsync?wait=20000", json={"input": todo})
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def status(self, endpoint: str, job: str) -> dict[str, Any]:
        answer = self.queue.get(f"/{endpoint}/status/{job}")
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def workers(self, endpoint: str) -> list[dict[str, Any]]:
        answer = self.management.get(f"/v2/serverless/{endpoint}/workers")
        assert answer.status_code == 200, answer.text
        workers: list[dict[str, Any]] = answer.json()["workers"]
        return workers

    def statuses(self, endpoint: str) -> list[str]:
        return sorted(worker["status"] for worker in self.workers(endpoint))

    def ended(self, endpoint: str, job: str) -> dict[str, Any]:
        """Wait until a job is terminal; returns its document."""
        return until(
            partial(self.status, endpoint, job),
            lambda document: document["status"] not in ("IN_QUEUE", "IN_PROGRESS"),
        )

    def running(self, endpoint: str, job: str) -> dict[str, Any]:
        """Wait until a job is in progress; returns its document."""
        return until(
            partial(self.status, endpoint, job),
            lambda document: document["status"] == "IN_PROGRESS",
        )


T = TypeVar("T")


def until(ask: Callable[[], T], accept: Callable[[T], bool], seconds: float = 30.0) -> T:
    """Ask until the answer is acceptable; fails with the last one at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if accept(answer):
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not so within {seconds} s; the last answer: {answer!r}")
        time.sleep(0.01)


class StartEmulator(Protocol):
    def __call__(self, **timings: float) -> Emulator: ...


@contextmanager
def started(**timings: float) -> Iterator[Emulator]:
    """An emulator of test workers, with ``Timings`` and ``Options`` of its own."""
    program = str(HERE / "emulator_program.py")
    with _serving(lambda lifeline: [program, json.dumps(timings), str(lifeline)]) as emulator:
        yield emulator


@contextmanager
def serving_project(project: Path, **variables: str) -> Iterator[Emulator]:
    """The emulator as it is, for a project and with more environment variables."""
    options = ["-m", "pytest_flash.emulator", "--json", "--quiet", "--project", str(project)]
    with _serving(
        lambda lifeline: [*options, "--lifeline-fd", str(lifeline)],
        folder=None,
        FLASH_EMULATOR_KEY=KEY,
        **variables,
    ) as emulator:
        yield emulator


@contextmanager
def serving_timed(project: Path, **timings: float) -> Iterator[Emulator]:
    """The emulator as it is, for a project, with ``Timings`` of its own."""
    program = str(HERE / "project_program.py")
    with _serving(
        lambda lifeline: [program, json.dumps(timings), str(lifeline)], folder=project
    ) as emulator:
        yield emulator


@contextmanager
def _serving(
    arguments: Callable[[int], list[str]], *, folder: Path | None = None, **variables: str
) -> Iterator[Emulator]:
    lifeline_end, lifeline = os.pipe()
    process = subprocess.Popen(
        [sys.executable, *arguments(lifeline_end)],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={**os.environ, "TEST_KEY": KEY, **variables},
        pass_fds=(lifeline_end,),
        start_new_session=True,
    )
    os.close(lifeline_end)
    try:
        assert process.stdout is not None
        values = json.loads(process.stdout.readline())
        management, queue = values["RUNPOD_API_BASE_URL"], values["RUNPOD_ENDPOINT_BASE_URL"]
        headers = {"Authorization": f"Bearer {KEY}"}
        with (
            httpx.Client(
                base_url=management, headers=headers, timeout=30, verify=False
            ) as management_client,
            httpx.Client(base_url=queue, headers=headers, timeout=30, verify=False) as queue_client,
        ):
            origin = management.removesuffix("/api")
            yield Emulator(process, origin, management_client, queue_client)
    finally:
        os.close(lifeline)
        try:
            process.wait(30)
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    if not Path("/proc/self/stat").exists():
        state = _output("ps", "-o", "stat=", "-p", str(pid)).strip()
    else:  # Slim images have no ps.
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].strip()
        except (FileNotFoundError, ProcessLookupError):
            return False
    return bool(state) and not state.startswith("Z")


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@contextmanager
def handle(emulator: Emulator, scope: str | None = None) -> Iterator[EmulatorControl]:
    with EmulatorControl(f"{emulator.origin}/api", KEY, scope=scope) as control:
        yield control
        control.clear()
