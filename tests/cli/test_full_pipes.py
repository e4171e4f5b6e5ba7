"""Where nobody reads what is printed, requests are answered and signals are obeyed all the same."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import httpx
import pytest

from tests.support.environment import clean_environment
from tests.support.system.processes import descendants, wait_gone, wait_until

APP = """\
import sys
from fastapi import FastAPI
from pytest_flash import LiveServerless, remote

app = FastAPI()

@remote(LiveServerless(name="prints"))
def work():
    for _ in range(2000):
        print("x" * 100)
    return 1

@app.get("/prints")
def prints():
    for stream in (sys.stdout, sys.stderr):
        print("x" * 1_000_000, file=stream, flush=True)
    return 2

@app.get("/works")
async def works():
    return await work()
"""


@contextlib.contextmanager
def running(*arguments: str, cwd: Path, both: bool) -> Iterator[subprocess.Popen[bytes]]:
    """The command, with standard error in a pipe, and with ``both`` standard output in the same."""
    process = subprocess.Popen(
        [sys.executable, "-m", "flash_cli", *arguments],
        cwd=cwd,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if both else subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        tree = descendants(process.pid)
        process.kill()
        process.communicate()
        wait_gone(tree, 60)


def read_until(pipe: IO[bytes], pattern: str) -> str:
    """What ``pattern`` finds in what is printed; nothing is read afterwards."""
    printed = b""
    os.set_blocking(pipe.fileno(), False)

    def found() -> re.Match[str] | None:
        nonlocal printed
        with contextlib.suppress(BlockingIOError):
            printed += os.read(pipe.fileno(), 100)
        return re.search(pattern, printed.decode(errors="replace"))

    wait_until(found, 60, pattern)
    match = found()
    assert match is not None
    return match[1]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)], ids=["interrupt", "terminate"]
)
def test_flash_run_serves_and_ends(
    tmp_path: Path, http: httpx.Client, number: signal.Signals, code: int
) -> None:
    (tmp_path / "main.py").write_text(APP)
    with running("run", "--port", "0", cwd=tmp_path, both=True) as process:
        assert process.stdout is not None
        url = read_until(process.stdout, r" at (http://\S+)\s[^$]*docs")
        # Its own lines, those of uvicorn, of the app, and of workers.
        for _ in range(3):
            assert http.get(f"{url}/prints").json() == 2
            assert http.get(f"{url}/works").json() == 1
        # What waits comes out, in its order.
        assert b"x" * 50_000 in process.stdout.read(100_000)
        assert http.get(f"{url}/prints").json() == 2
        process.send_signal(number)
        assert process.wait(60) == code


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["interrupt", "terminate"])
def test_flash_emulator_serves_and_ends(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "prints.py").write_text("for _ in range(500):\n    print('x' * 1000)\n")
    (tmp_path / "pyproject.toml").write_text(
        f"[tool.flash.emulator.images]\n'some/image' = '{sys.executable} prints.py'\n"
    )
    with running("emulator", "--json", cwd=tmp_path, both=False) as process:
        assert process.stdout is not None
        variables = json.loads(process.stdout.readline())
        key, url = variables["RUNPOD_API_KEY"], variables["RUNPOD_API_BASE_URL"]
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(headers=headers, base_url=url, timeout=60, trust_env=False) as client:
            endpoint = {
                "name": "prints",
                "type": "QUEUE",
                "image": "some/image",
                "cpu": [{"id": "cpu3c", "vcpuCount": 2}],
                "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
            }
            made = client.post("/v2/serverless", json=endpoint).json()["id"]
            queue = f"{variables['RUNPOD_ENDPOINT_BASE_URL']}/{made}"
            # Each start of a worker prints 500 kB, which is logged.
            done = client.post(f"{queue}/runsync?wait=20000", json={"input": {"x": 1}}).json()
            assert done["status"] == "FAILED"
            assert "exited with code 0" in str(done)
            assert client.get(f"{queue}/health").json()["jobs"]["failed"] == 1
        process.send_signal(number)
        assert process.wait(60) in (0, 130)
