"""Load-balancing endpoints of a Flash image: functions run by ``POST /execute``."""

from __future__ import annotations

import base64
import os
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
    "type": "LOAD_BALANCER",
    "image": "docker.io/runpod/flash-lb-cpu:py3.12-latest",
    "cpu": [{"id": "cpu3c", "vcpuCount": 2}],
    "scaling": {"type": "REQUEST_COUNT", "requestCount": 100},
    "workers": {"max": 1},
}


@dataclass
class Flash:
    """An endpoint of a Flash image, called as the Flash SDK calls it."""

    process: EmulatorProcess
    client: httpx.Client

    def call(self, code: str, *args: Any, **fields: Any) -> dict[str, Any]:
        """The whole FunctionResponse."""
        answer = self.client.post("/execute", json={**_request(code, *args), **fields})
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def value(self, code: str, *args: Any) -> Any:
        document = self.call(code, *args)
        assert document["success"], document
        return cloudpickle.loads(base64.b64decode(document["result"]))


def _request(code: str, *args: Any) -> dict[str, Any]:
    return {
        "function_name": "f",
        "function_code": code,
        "args": [base64.b64encode(cloudpickle.dumps(arg)).decode() for arg in args],
        "kwargs": {},
        "execution_type": "function",
    }


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    folder = tmp_path_factory.mktemp("project")
    with EmulatorProcess.start(folder) as process:
        yield process


@pytest.fixture
def make(process: EmulatorProcess) -> Iterator[Callable[..., Flash]]:
    clients = []

    def start(own: EmulatorProcess = process, **changes: Any) -> Flash:
        headers = {"Authorization": f"Bearer {own.api_key}"}
        answer = httpx.post(
            f"{own.management_url}/v2/serverless", json={**BODY, **changes}, headers=headers
        )
        assert answer.status_code == 201, answer.text
        base = answer.json()["requestUrls"]["base"]
        clients.append(httpx.Client(base_url=base, headers=headers, timeout=60, trust_env=False))
        return Flash(own, clients[-1])

    yield start
    for client in clients:
        client.close()


@pytest.fixture
def flash(make: Callable[..., Flash]) -> Flash:
    return make()


def test_a_function_runs_in_a_process_of_its_own(flash: Flash) -> None:
    code = "def f(x):\n    import os\n    return x * 2, os.getpid(), dict(os.environ)"
    doubled, pid, environ = flash.value(code, 21)
    assert doubled == 42
    assert pid not in (os.getpid(), flash.process.pid)
    hidden = {"RUNPOD_AI_API_KEY", "FLASH_DEPENDENCIES_URL", "FLASH_LOAD_BALANCED"}
    assert not hidden & set(environ)
    assert environ["PORT"] == environ["PORT_HEALTH"]
    assert flash.value(code, 1)[1] == pid


def test_the_answer_is_a_whole_response(flash: Flash) -> None:
    document = flash.call("async def f():\n    print('hello')")
    assert document == {
        "success": True,
        "result": base64.b64encode(cloudpickle.dumps(None)).decode(),
        "error": None,
        "stdout": "hello\n",
        "instance_id": None,
        "instance_info": None,
    }


def test_the_request_may_be_wrapped_as_for_a_queue(flash: Flash) -> None:
    answer = flash.client.post("/execute", json={"input": _request("def f():\n    return 1")})
    assert answer.json()["success"] is True


def test_a_failure_is_an_answer_too(flash: Flash) -> None:
    document = flash.call("def f():\n    print('before')\n    raise KeyError('x')")
    assert document["success"] is False
    assert document["error"].splitlines()[0] == "'x'"
    assert "KeyError" in document["error"]
    assert document["stdout"] == "before\n"


def test_a_function_that_is_not_there(flash: Flash) -> None:
    document = flash.call("def g():\n    pass")
    assert (document["success"], document["error"]) == (False, None)
    assert "Function 'f' not found" in document["result"]


def test_what_is_not_a_request(flash: Flash) -> None:
    document = flash.call("", args="none")
    assert document["success"] is False
    assert document["error"].startswith("Error in handler: ")
    assert flash.client.post("/execute", json=[1]).status_code == 422
    assert flash.client.post("/execute", content="{").status_code == 422
    assert flash.client.get("/execute").status_code == 405
    assert flash.client.get("/other").status_code == 404
    assert flash.client.get("/ping").json() == {"status": "healthy"}


def test_asynchronous_functions_run_side_by_side_and_keep_their_output_apart(
    flash: Flash, tmp_path: Path
) -> None:
    code = (
        "async def f(own, other, folder):\n"
        "    import asyncio, logging, pathlib, sys, threading\n"
        "    print('out of', own)\n"
        "    (pathlib.Path(folder) / own).touch()\n"
        "    while not (pathlib.Path(folder) / other).exists():\n"
        "        await asyncio.sleep(0.01)\n"
        "    await asyncio.to_thread(print, 'thread of', own)\n"
        "    print('err of', own, file=sys.stderr)\n"
        "    logging.getLogger('name').warning('log of ' + own)\n"
    )
    with ThreadPoolExecutor() as pool:
        calls = [
            pool.submit(flash.call, code, own, other, str(tmp_path))
            for own, other in (("a", "b"), ("b", "a"))
        ]
        for own, call in zip("ab", calls, strict=True):
            head, _, printed = call.result()["stdout"].partition("\n\n")
            assert head.endswith(f"log of {own}")  # twice, as in the image
            expected = f"out of {own}\nthread of {own}\nerr of {own}\nlog of {own}\n"
            assert printed == expected


def test_a_bare_thread_prints_for_the_only_call(flash: Flash) -> None:
    code = (
        "def f():\n"
        "    import threading\n"
        "    thread = threading.Thread(target=print, args=('from a thread',))\n"
        "    thread.start()\n"
        "    thread.join()\n"
    )
    assert flash.call(code)["stdout"] == "from a thread\n"


def test_a_synchronous_function_holds_up_the_others(flash: Flash) -> None:
    code = (
        "def f(folder, name):\n"
        "    import pathlib, time\n"
        "    folder = pathlib.Path(folder)\n"
        "    assert not list(folder.iterdir()), 'somebody else runs'\n"
        "    (folder / name).touch()\n"
        "    time.sleep(0.3)\n"
        "    (folder / name).unlink()\n"
        "    return True\n"
    )
    folder = flash.value("def f():\n    import os, tempfile\n    return tempfile.mkdtemp()")
    with ThreadPoolExecutor() as pool:
        calls = [pool.submit(flash.value, code, folder, name) for name in "abc"]
        assert [call.result() for call in calls] == [True] * 3


def test_a_dependency_that_is_not_installed_is_an_answer(
    make: Callable[..., Flash], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with EmulatorProcess.start(tmp_path) as own:
        flash = make(own)
        document = flash.call("def f():\n    pass", dependencies=["no-such-package-of-ours"])
        assert document["success"] is False
        assert "could not be installed" in document["error"]
        installed = flash.call(
            "def f():\n    import packaging\n    return 1", dependencies=["packaging"]
        )
        assert installed["success"] is True, installed


def test_a_worker_that_ends_is_reported_at_once(flash: Flash) -> None:
    request = _request("def f():\n    import os\n    os._exit(9)")
    answer = flash.client.post("/execute", json=request)
    assert answer.status_code == 502
    assert "exited with code 9" in answer.json()["error"]
    assert flash.value("def f():\n    return 1") == 1


def test_only_the_balancer_may_call(flash: Flash) -> None:
    # A job can read what its worker was started with; that does not make it the balancer.
    port, credential = flash.value(
        "def f():\n"
        "    import os\n"
        "    with open('/proc/self/environ') as file:\n"
        "        pairs = [each.partition('=') for each in file.read().split('\\0')]\n"
        "    given = {name: value for name, _, value in pairs}\n"
        "    return os.environ['PORT'], given['RUNPOD_AI_API_KEY']\n"
    )
    base = f"http://127.0.0.1:{port}"
    request = _request("def f():\n    return 1")
    assert httpx.get(f"{base}/ping").status_code == 200
    for headers in ({}, {"X-Flash-Balancer": "guess"}, {"X-Flash-Balancer": credential}):
        answer = httpx.post(f"{base}/execute", json=request, headers=headers)
        assert answer.status_code == 403
    forged = {"X-Flash-Balancer": "guess"}
    assert flash.client.post("/execute", json=request, headers=forged).status_code == 200


def test_a_worker_that_is_asked_to_end_answers_first(flash: Flash, tmp_path: Path) -> None:
    code = (
        "async def f(mark):\n"
        "    import asyncio, os, pathlib, signal\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    await asyncio.sleep(0.3)\n"
        "    return os.getpid()\n"
    )
    pid = flash.value(code, str(tmp_path))
    until(lambda: is_alive(pid), lambda alive: not alive)


def test_a_connection_that_says_nothing_does_not_keep_a_worker(flash: Flash) -> None:
    code = "def f():\n    import os\n    return os.environ['PORT'], os.getpid()"
    port, pid = flash.value(code)
    with socket.create_connection(("127.0.0.1", int(port))):
        assert flash.value(code) == (port, pid)  # Others are served beside it.
        os.kill(pid, signal.SIGTERM)
        until(lambda: is_alive(pid), lambda alive: not alive, 5)


def test_a_killed_emulator_takes_its_workers_along(
    make: Callable[..., Flash], tmp_path: Path
) -> None:
    with EmulatorProcess.start(tmp_path) as own:
        pid = make(own).value("def f():\n    import os\n    return os.getpid()")
        os.kill(own.pid, signal.SIGKILL)
        until(lambda: is_alive(pid), lambda alive: not alive)
