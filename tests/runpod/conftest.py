from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from pytest_flash.http.messages import Timeouts
from pytest_flash.runpod import ManagementClient, RetryPolicy
from tests.runpod.scripted import Account, FakeTime, ScriptedServer, scripted
from tests.support.environment import SHARED


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted() as made:
        yield made


@pytest.fixture
def account(server: ScriptedServer) -> Account:
    """Endpoints behind the server, which it serves when its script has ended."""
    made = Account()
    server.always = made.answer
    return made


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def policy(time: FakeTime) -> RetryPolicy:
    """The real numbers, the longest pauses, in no time."""
    return RetryPolicy(clock=time.clock, sleep=time.sleep, jitter=lambda: 1.0)


@pytest.fixture
def connect(
    server: ScriptedServer, policy: RetryPolicy
) -> Iterator[Callable[..., ManagementClient]]:
    """A client of the server as live Runpod; keywords as ManagementClient's."""
    with ExitStack() as stack:

        def open_client(**changes: Any) -> ManagementClient:
            options: dict[str, Any] = {
                "retry": policy,
                "timeout": Timeouts(5.0, 5.0),
                **changes,
            }
            return stack.enter_context(ManagementClient(server.live, **options))

        yield open_client


@pytest.fixture
def client(connect: Callable[..., ManagementClient]) -> ManagementClient:
    return connect()


@pytest.fixture(scope="session")
def contract() -> dict[str, Any]:
    """The official schema of REST v2."""
    path = SHARED / "contracts" / "runpod-rest-v2.json"
    if not path.exists():
        pytest.skip("the official REST schema is not beside this checkout")
    schema: dict[str, Any] = json.loads(path.read_text())
    return schema
