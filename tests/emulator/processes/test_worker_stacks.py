"""Where a worker of our own runtime is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pytest_flash.emulator.client.control import EmulatorControl
from pytest_flash.emulator.client.process import EmulatorProcess
from pytest_flash.errors import EmulatorError
from tests.emulator.harness import until
from tests.emulator.processes.test_flash_image import BODY

SLEEPS = "def f():\n    import time\n    time.sleep(600)\n"
AWAITS = (
    "async def f():\n    await g()\n\nasync def g():\n    import asyncio\n"
    "    await asyncio.sleep(600)\n"
)
# One regular expression holds the interpreter's lock for as long as it takes.
HOLDS_THE_LOCK = "def f():\n    import re\n    re.match(r'(a+)+b', 'a' * 64)\n"


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[EmulatorProcess]:
    with EmulatorProcess.start(tmp_path) as process:
        yield process


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (SLEEPS, ["in f"]),
        (AWAITS, ["in f", "in g", "in sleep"]),
        (HOLDS_THE_LOCK, ["in f"]),
    ],
    ids=["sleeps", "awaits", "holds the lock"],
)
def test_a_worker_shows_where_its_function_is(
    emulator: EmulatorProcess, code: str, expected: list[str]
) -> None:
    headers = {"Authorization": f"Bearer {emulator.api_key}"}
    with (
        httpx.Client(headers=headers, timeout=30, trust_env=False) as client,
        EmulatorControl(emulator.management_url, emulator.api_key) as control,
    ):
        created = client.post(f"{emulator.management_url}/v2/serverless", json=BODY)
        request = {
            "function_name": "f",
            "function_code": code,
            "args": [],
            "kwargs": {},
            "execution_type": "function",
        }
        url = f"{emulator.queue_url}/{created.json()['id']}/run"
        assert client.post(url, json={"input": request}).status_code == 200

        def runs() -> bool:
            (endpoint,) = control.endpoints()
            return any(job.running is not None for job in endpoint.jobs)

        until(runs, bool, 30.0)

        def stack() -> str:
            (endpoint,) = control.endpoints()
            try:
                return "".join(control.stack(worker.id) for worker in endpoint.workers)
            except EmulatorError:
                return ""  # it is still starting

        text = until(stack, lambda text: all(call in text for call in expected), 30.0)
        assert "most recent call first" in text
