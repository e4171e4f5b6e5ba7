"""The versions of an endpoint, against Runpod's own schema."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.emulator.harness import Emulator, until
from tests.emulator.management.test_management import check


def releases(emulator: Emulator, endpoint: str, schema: dict[str, Any]) -> dict[str, Any]:
    answer = emulator.management.get(f"/v2/serverless/{endpoint}/releases")
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    check(document, "ListEndpointReleasesResponse", schema)
    return document


def patch(emulator: Emulator, endpoint: str, **changes: Any) -> None:
    answer = emulator.management.patch(f"/v2/serverless/{endpoint}", json=changes)
    assert answer.status_code == 200, answer.text


def test_a_new_endpoint_has_one_release(emulator: Emulator, rest_schema: dict[str, Any]) -> None:
    endpoint = emulator.create()
    document = releases(emulator, endpoint, rest_schema)
    assert document["endpointVersion"] == 1
    assert document["rollout"] == {
        "inProgress": False,
        "workersOnLatest": 0,
        "workersTotal": 0,
        "percentOnLatest": 0,
    }
    (only,) = document["releases"]
    assert (only["version"], only["source"], only["diff"]) == (1, "MANUAL", [])
    created = emulator.management.get(f"/v2/serverless/{endpoint}").json()["createdAt"]
    assert only["createdAt"] == created


def test_a_release_lists_what_changed_since_the_last(
    emulator: Emulator, rest_schema: dict[str, Any]
) -> None:
    endpoint = emulator.create(env={"A": "1"})
    patch(emulator, endpoint, workers={"max": 5})
    assert len(releases(emulator, endpoint, rest_schema)["releases"]) == 1
    patch(emulator, endpoint, env={"A": "2"}, disk=30)
    patch(emulator, endpoint, image="test/worker:2")
    third, second, first = releases(emulator, endpoint, rest_schema)["releases"]
    assert [each["version"] for each in (first, second, third)] == [1, 2, 3]
    assert len({each["id"] for each in (first, second, third)}) == 3
    assert second["diff"] == [
        {"field": "template.containerDiskInGb", "old": 20, "new": 30},
        {"field": "template.env", "old": {"A": "1"}, "new": {"A": "2"}},
        {"field": "workers.max", "old": 3, "new": 5},
    ]
    assert third["diff"] == [
        {"field": "template.imageName", "old": "test/worker", "new": "test/worker:2"}
    ]


def test_a_rollout_goes_on_until_busy_workers_are_replaced(
    emulator: Emulator, rest_schema: dict[str, Any]
) -> None:
    endpoint = emulator.create(workers={"max": 2})
    slow = emulator.run(endpoint, do="sleep", seconds=1.0)
    emulator.running(endpoint, slow)
    patch(emulator, endpoint, env={"NEW": "1"})
    emulator.call(endpoint, do="echo", value=1)
    document = releases(emulator, endpoint, rest_schema)
    assert document["rollout"] == {
        "inProgress": True,
        "workersOnLatest": 1,
        "workersTotal": 2,
        "percentOnLatest": 50,
    }
    assert [each["workerCount"] for each in document["releases"]] == [1, 1]
    emulator.ended(endpoint, slow)
    until(
        partial(releases, emulator, endpoint, rest_schema),
        lambda document: not document["rollout"]["inProgress"],
    )


def test_only_the_latest_releases_are_kept(emulator: Emulator, rest_schema: dict[str, Any]) -> None:
    endpoint = emulator.create()
    for disk in range(21, 131):
        patch(emulator, endpoint, disk=disk)
    document = releases(emulator, endpoint, rest_schema)
    assert [each["version"] for each in document["releases"]] == [*range(111, 11, -1)]
    assert all(len(each["diff"]) == 1 for each in document["releases"])


def test_workers_say_where_they_are(emulator: Emulator, rest_schema: dict[str, Any]) -> None:
    gpu = {"pools": ["AMPERE_48"], "excludedTypes": ["NVIDIA A40"]}
    body = {
        "name": "gpu",
        "type": "QUEUE",
        "image": "test/worker",
        "gpu": gpu,
        "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
        "dataCenterIds": ["US-KS-2", "EU-RO-1"],
    }
    created = emulator.management.post("/v2/serverless", json=body)
    assert created.status_code == 201
    endpoint = created.json()["id"]
    emulator.call(endpoint, do="pid")
    (worker,) = emulator.workers(endpoint)
    assert (worker["gpuTypeId"], worker["dataCenterId"]) == ("NVIDIA RTX A6000", "US-KS-2")
    cpu = emulator.create()
    emulator.call(cpu, do="pid")
    (worker,) = emulator.workers(cpu)
    assert (worker["gpuTypeId"], worker["dataCenterId"]) == (None, "EU-RO-1")
