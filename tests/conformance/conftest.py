from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.environment import official_python
from tests.emulator.harness import KEY, Emulator, serving_timed
from tests.support.environment import clean_environment

HERE = Path(__file__).parent
KINDS = (
    "echo",
    "sync",
    "async",
    "several",
    "generator",
    "async_generator",
    "aggregate",
    "concurrent",
    "refresh",
    "progress",
)


@pytest.fixture(scope="session")
def official() -> Path:
    """The Python of an environment with the official packages."""
    return official_python()


@pytest.fixture(scope="session")
def project(official: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that maps ``official/KIND`` to an official worker of that kind."""
    folder = tmp_path_factory.mktemp("project")
    lines = ["[tool.flash.emulator.images]"]
    lines += [
        f'"official/{kind}" = "{official} {HERE}/official_worker.py {kind}"' for kind in KINDS
    ]
    lines += [f'"official/functions" = "{official} {HERE}/reference_worker.py"']
    (folder / "pyproject.toml").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def platform(project: Path) -> Iterator[Emulator]:
    # An official worker gets the time that it needs, on whatever machine.
    with serving_timed(project, worker_start=600.0, stop_grace=60.0, cancel_grace=60.0) as emulator:
        yield emulator


@pytest.fixture
def emulator(platform: Emulator) -> Iterator[Emulator]:
    """The emulator; the test's endpoints are removed afterwards."""
    before = _endpoints(platform)
    yield platform
    for endpoint in _endpoints(platform) - before:
        platform.management.delete(f"/v2/serverless/{endpoint}")


def _endpoints(platform: Emulator) -> set[str]:
    found = platform.management.get("/v2/serverless").json()["endpoints"]
    return {endpoint["id"] for endpoint in found}


class OfficialError(Exception):
    """What the official client raised: the name of its type, and its text."""


class Client:
    """The official client, in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], answers: int) -> None:
        self._process = process
        self._answers = os.fdopen(answers, encoding="utf-8")

    def __call__(self, name: str, *arguments: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([name, *arguments]) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._answers.readline())
        if "error" in answer:
            raise OfficialError(*answer["error"])
        return answer["value"]

    def close(self) -> None:
        self._answers.close()


@pytest.fixture(scope="session")
def client(official: Path, platform: Emulator) -> Iterator[Client]:
    answers, write = os.pipe()
    with subprocess.Popen(
        [str(official), str(HERE / "official_client.py"), str(write)],
        env=clean_environment(TEST_KEY=KEY, RUNPOD_ENDPOINT_BASE_URL=f"{platform.origin}/queue/v2"),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        pass_fds=(write,),
        text=True,
    ) as process:
        os.close(write)
        client = Client(process, answers)
        try:
            yield client
        finally:
            process.kill()
            client.close()
