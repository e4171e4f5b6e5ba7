"""The official ``runpod`` client, unmodified, against the emulator."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import Client, OfficialError
from tests.emulator.harness import Emulator


@pytest.fixture
def echo(emulator: Emulator) -> str:
    return emulator.create(image="official/echo", workers={"max": 1})


@pytest.fixture
def nobody(emulator: Emulator) -> str:
    """An endpoint whose jobs stay in the queue."""
    return emulator.create(image="official/sync", workers={"max": 0})


def test_run_and_run_sync(client: Client, emulator: Emulator, echo: str) -> None:
    job = client("run", echo, {"a": [1, None, "ü"]})
    assert client("status", echo, job) in ("IN_QUEUE", "IN_PROGRESS")
    assert client("output", echo, job) == {"a": [1, None, "ü"]}
    assert client("status", echo, job) == "COMPLETED"
    assert client("run_sync", echo, {"input": {"return": 3}}) == 3
    assert client("run_sync", echo, {"input": "text"}) == "text"
    first, output, last = client("async_run", echo, {"return": [4]})
    assert first in ("IN_QUEUE", "IN_PROGRESS")
    assert (output, last) == ([4], "COMPLETED")
    failed = client("run", echo, {"raise": "oh"})
    assert client("output", echo, failed) is None
    for ended in (job, failed):
        body = emulator.status(echo, ended)
        assert client("strict_job", body)["status"] == body["status"]
    assert client("strict_health", client("health", echo))["jobs"] == {
        "completed": 4,
        "failed": 1,
        "inProgress": 0,
        "inQueue": 0,
        "retried": 0,
    }


def test_streams(client: Client, emulator: Emulator) -> None:
    endpoint = emulator.create(image="official/generator", workers={"max": 1})
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
