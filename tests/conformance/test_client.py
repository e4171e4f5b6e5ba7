"""The official ``runpod`` client, unmodified, against the emulator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.conformance.conftest import Client, OfficialError
from tests.emulator.harness import Emulator

# Of a job that has just been submitted: it may have ended already.
SUBMITTED = ("IN_QUEUE", "IN_PROGRESS", "COMPLETED")


@dataclass(frozen=True)
class Endpoints:
    """Endpoints whose workers start together, and stay."""

    echo: str
    generator: str


@pytest.fixture(scope="module")
def endpoints(platform: Emulator) -> Iterator[Endpoints]:
    workers = {"min": 1, "max": 1}
    made = Endpoints(
        platform.create(image="official/echo", workers=workers),
        platform.create(image="official/generator", workers=workers),
    )
    yield made
    for endpoint in (made.echo, made.generator):
        platform.management.delete(f"/v2/serverless/{endpoint}")


@pytest.fixture
def echo(endpoints: Endpoints) -> str:
    return endpoints.echo


@pytest.fixture
def nobody(emulator: Emulator) -> str:
    """An endpoint whose jobs stay in the queue."""
    return emulator.create(image="official/sync", workers={"max": 0})


def test_run_and_run_sync(client: Client, platform: Emulator, echo: str) -> None:
    job = client("run", echo, {"a": [1, None, "ü"]})
    assert client("status", echo, job) in SUBMITTED
    assert client("output", echo, job) == {"a": [1, None, "ü"]}
    assert client("status", echo, job) == "COMPLETED"
    assert client("run_sync", echo, {"input": {"return": 3}}) == 3
    assert client("run_sync", echo, {"input": "text"}) == "text"
    first, output, last = client("async_run", echo, {"return": [4]})
    assert first in SUBMITTED
    assert (output, last) == ([4], "COMPLETED")
    failed = client("run", echo, {"raise": "oh"})
    assert client("output", echo, failed) is None
    for ended in (job, failed):
        body = platform.status(echo, ended)
        assert client("strict_job", body)["status"] == body["status"]
    assert client("strict_health", client("health", echo))["jobs"] == {
        "completed": 4,
        "failed": 1,
        "inProgress": 0,
        "inQueue": 0,
        "retried": 0,
    }


def test_streams(client: Client, endpoints: Endpoints) -> None:
    endpoint = endpoints.generator
    job = client("run", endpoint, {"count": 3})
    expected = [{"number": number} for number in range(3)]
    assert client("stream", endpoint, job) == expected
    assert client("async_stream", endpoint, {"count": 3}) == expected


def test_cancel_and_purge(client: Client, emulator: Emulator, nobody: str) -> None:
    first, second = client("run", nobody, {"a": 1}), client("run", nobody, {"a": 2})
    assert client("status", nobody, first) == "IN_QUEUE"
    assert client("cancel", nobody, first) == {"id": first, "status": "CANCELLED"}
    assert client("status", nobody, first) == "CANCELLED"
    assert client("output", nobody, first) is None
    assert client("strict_job", emulator.status(nobody, first))["workerId"] == ""
    assert client("purge_queue", nobody) == {"removed": 1, "status": "completed"}
    assert client("status", nobody, second) == "CANCELLED"
    *answers, health = client("async_cancel_purge_health", nobody)
    removed = {"removed": 1, "status": "completed"}
    assert answers == ["CANCELLED", "CANCELLED", removed, "CANCELLED"]
    client("strict_health", health)


def test_an_empty_input_is_taken_and_fails(client: Client, emulator: Emulator, nobody: str) -> None:
    job = client("run", nobody, {})
    assert client("status", nobody, job) == "FAILED"
    assert client("output", nobody, job) is None
    assert "__empty" in emulator.status(nobody, job)["error"]
    assert client("status", nobody, client("run", nobody, {"input": {}})) == "IN_QUEUE"


def test_unknown_endpoints_and_jobs_are_http_errors(client: Client, nobody: str) -> None:
    with pytest.raises(OfficialError, match="404 Client Error"):
        client("run", "nothing", {"a": 1})
    with pytest.raises(OfficialError, match="404 Client Error"):
        client("status", nobody, "nothing")
