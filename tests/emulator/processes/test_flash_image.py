"""The whole of it: an emulator as users start it, with workers of a Flash image."""

from __future__ import annotations

import base64
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import httpx
import pytest

from pytest_flash.emulator.client.process import EmulatorProcess
from tests.emulator.harness import is_alive, until

BODY = {
    "name": "flash",
    "type": "QUEUE",
    "image": "docker.io/runpod/flash-cpu:py3.12-latest",
    "cpu": [{"id": "cpu3c", "vcpuCount": 2}],
    "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
    "workers": {"max": 1},
}


@dataclass
class Flash:
    """An endpoint of a Flash image, called as the Flash SDK calls it."""

    process: EmulatorProcess
    url: str

    def call(self, code: str, *args: Any) -> dict[str, Any]:
        request = {
            "function_name": "f",
            "function_code": code,
            "args": [base64.b64encode(cloudpickle.dumps(arg)).decode() for arg in args],
            "kwargs": {},
            "execution_type": "function",
        }
        answer = httpx.post(
            f"{self.url}/runsync",
            json={"input": request},
            headers={"Authorization": f"Bearer {self.process.api_key}"},
            timeout=60,
        )
        document: dict[str, Any] = answer.json()
        return document

    def value(self, code: str, *args: Any) -> Any:
        document = self.call(code, *args)
        assert document["status"] == "COMPLETED", document
        return cloudpickle.loads(base64.b64decode(document["output"]["result"]))


@pytest.fixture
def flash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flash]:
    monkeypatch.setenv("FLASH_CACHE_DIR", str(tmp_path / "cache"))
    with EmulatorProcess.start(tmp_path) as process:
        answer = httpx.post(
            f"{process.management_url}/v2/serverless",
            json=BODY,
            headers={"Authorization": f"Bearer {process.api_key}"},
        )
        assert answer.status_code == 201
        yield Flash(process, f"{process.queue_url}/{answer.json()['id']}")


def test_a_function_runs_in_a_process_of_its_own(flash: Flash) -> None:
    code = "def f(x):\n    import os\n    return x * 2, os.getpid(), dict(os.environ)"
    doubled, pid, environ = flash.value(code, 21)
    assert doubled == 42
    assert pid not in (os.getpid(), flash.process.pid)
    assert not {"RUNPOD_AI_API_KEY", "FLASH_DEPENDENCIES_URL", "FLASH_CACHE_DIR"} & set(environ)
    assert flash.value(code, 1)[1] == pid


def test_a_function_that_ends_its_worker_fails_at_once(flash: Flash) -> None:
    document = flash.call("def f():\n    import os\n    os._exit(9)")
    assert document["status"] == "FAILED"
    assert "exited with code 9" in document["error"]
    assert flash.value("def f():\n    return 1") == 1


def test_a_killed_emulator_takes_its_workers_along(flash: Flash) -> None:
    code = (
        "def f():\n"
        "    import os, subprocess, sys\n"
        "    command = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
        "    return os.getpid(), subprocess.Popen(command).pid, os.getcwd()"
    )
    worker, child, home = flash.value(code)
    assert is_alive(worker)
    assert is_alive(child)
    os.kill(flash.process.pid, signal.SIGKILL)
    until(lambda: is_alive(worker) or is_alive(child), lambda alive: not alive, seconds=30)
    assert Path(home).exists()
    with EmulatorProcess.start(Path(home)):  # the next one clears up
        assert not Path(home).exists()
