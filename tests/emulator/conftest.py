from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from pytest_flash.emulator.client.control import EmulatorControl
from tests.emulator.harness import ROOT, Emulator, StartEmulator, handle, started
from tests.emulator.official import OfficialSchema, with_python_patterns

SCHEMA = ROOT.parent / "shared" / "contracts" / "runpod-rest-v2.json"


@pytest.fixture(scope="session")
def official() -> OfficialSchema | None:
    """The official schema as a check of answers, where this machine has it."""
    if not SCHEMA.is_file():
        return None
    document = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return OfficialSchema(with_python_patterns(document))


@pytest.fixture(scope="session")
def shared_emulator(official: OfficialSchema | None) -> Iterator[Emulator]:
    """An emulator whose every answer on the management plane is checked."""
    with started(cancel_grace=0.3, retry_delay=0.02) as emulator:
        if official is not None:
            emulator.management.event_hooks = {"response": [official]}
        yield emulator


@pytest.fixture
def emulator(shared_emulator: Emulator) -> Iterator[Emulator]:
    """An emulator with quick timings; the test's endpoints and volumes are removed afterwards."""
    yield shared_emulator
    management = shared_emulator.management
    for path, key in (("/v2/serverless", "endpoints"), ("/v2/network-volumes", "networkVolumes")):
        for each in management.get(path).json()[key]:
            management.delete(f"{path}/{each['id']}")


@pytest.fixture
def start_emulator() -> Iterator[StartEmulator]:
    """Start an emulator for this test alone, with ``Timings`` of its own."""
    with ExitStack() as stack:
        yield lambda **timings: stack.enter_context(started(**timings))


@pytest.fixture(scope="session")
def rest_schema(official: OfficialSchema | None) -> dict[str, Any]:
    """The official schema of REST v2."""
    if official is None:
        pytest.skip("the official REST schema is not beside this checkout")
    return dict(official.document)


@pytest.fixture
def control(emulator: Emulator) -> Iterator[EmulatorControl]:
    """A handle without a scope: its faults touch everyone."""
    with handle(emulator) as control:
        yield control


@pytest.fixture
def scoped(emulator: Emulator) -> Iterator[EmulatorControl]:
    """A handle with the scope "mine"."""
    with handle(emulator, "mine") as control:
        yield control
