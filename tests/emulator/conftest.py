from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.emulator.harness import ROOT, Emulator, StartEmulator, started


@pytest.fixture(scope="session")
def shared_emulator() -> Iterator[Emulator]:
    with started(cancel_grace=0.3, retry_delay=0.02) as emulator:
        yield emulator


@pytest.fixture
def emulator(shared_emulator: Emulator) -> Iterator[Emulator]:
    """An emulator with quick timings; the test's endpoints are removed afterwards."""
    yield shared_emulator
    for endpoint in shared_emulator.management.get("/v2/serverless").json()["endpoints"]:
        shared_emulator.management.delete(f"/v2/serverless/{endpoint['id']}")


@pytest.fixture
def start_emulator() -> Iterator[StartEmulator]:
    """Start an emulator for this test alone, with ``Timings`` of its own."""
    with ExitStack() as stack:
        yield lambda **timings: stack.enter_context(started(**timings))


@pytest.fixture(scope="session")
def rest_schema() -> dict[str, Any]:
    """The official schema of REST v2."""
    path = ROOT.parent / "shared" / "contracts" / "runpod-rest-v2.json"
    if not path.is_file():
        pytest.skip(f"the official REST schema is not at {path}")
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document
