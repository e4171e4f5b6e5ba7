"""The management plane, against Runpod's own schema."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from tests.emulator.harness import Emulator

CPU = [{"id": "cpu3c", "vcpuCount": 2}]
GPU = {"pools": ["ADA_24"]}
QUEUE_DELAY = {"type": "QUEUE_DELAY", "queueDelay": 4}
REQUEST_COUNT = {"type": "REQUEST_COUNT", "requestCount": 2}
BODY: dict[str, Any] = {
    "name": "n",
    "type": "QUEUE",
    "image": "test/worker",
    "cpu": CPU,
    "scaling": QUEUE_DELAY,
}
GPU_BODY = {**{key: value for key, value in BODY.items() if key != "cpu"}, "gpu": GPU}


def check(document: Any, name: str, schema: dict[str, Any]) -> None:
    whole = {"$ref": f"#/components/schemas/{name}", "components": schema["components"]}
    jsonschema.Draft202012Validator(whole).validate(document)


FULL_BODY: dict[str, Any] = {
    **GPU_BODY,
    "gpu": {"pools": ["ADA_48_PRO"], "excludedTypes": [" NVIDIA L40"], "minCudaVersion": "12.8"},
    "args": "--x",
    "disk": 30,
    "env": {"A": "1"},
    "ports": ["80/http"],
    "registry": "abc",
    "workers": {"min": 0, "max": 1, "idleTimeout": 7},
    "dataCenterIds": ["EU-RO-1"],
    "timeout": 600000,
    "flashboot": "FLASHBOOT",
}
LOAD_BALANCER = {**BODY, "type": "LOAD_BALANCER", "scaling": REQUEST_COUNT}


@pytest.mark.parametrize(
    "body",
    [BODY, GPU_BODY, FULL_BODY, {**BODY, "scaling": REQUEST_COUNT}, LOAD_BALANCER],
    ids=["cpu", "gpu", "full", "request count", "load balancer"],
)
def test_endpoints_read_as_the_schema_says(
    emulator: Emulator, rest_schema: dict[str, Any], body: dict[str, Any]
) -> None:
    check(body, "CreateEndpointRequest", rest_schema)
    created = emulator.management.post("/v2/serverless", json=body)
    assert created.status_code == 201
    check(created.json(), "Endpoint", rest_schema)
    path = f"/v2/serverless/{created.json()['id']}"
    assert emulator.management.get(path).json() == created.json()
    listed = emulator.management.get("/v2/serverless").json()
    check(listed, "ListEndpointsResponse", rest_schema)
    assert created.json() in listed["endpoints"]


def test_a_full_body_comes_back_as_it_was_sent(emulator: Emulator) -> None:
    answer = emulator.management.post("/v2/serverless", json=FULL_BODY).json()
    expected = {
        **FULL_BODY,
        "gpu": {
            "pools": ["ADA_48_PRO"],
            "excludedTypes": ["NVIDIA L40"],
            "count": 1,
            "allowedCudaVersions": [],
            "minCudaVersion": "12.8",
        },
    }
    assert {key: answer[key] for key in expected} == expected


def test_defaults_are_those_of_rest_v2(emulator: Emulator) -> None:
    answer = emulator.management.post("/v2/serverless", json=BODY).json()
    assert answer["workers"] == {"min": 0, "max": 3, "idleTimeout": 10}
    assert answer["timeout"] == 300000
    assert answer["flashboot"] == "OFF"
    assert answer["cpu"] == [{"id": "cpu3c", "vcpuCount": 2, "memory": 4}]
    assert "gpu" not in answer


def test_request_urls_lead_to_this_emulator(emulator: Emulator) -> None:
    urls = emulator.management.post("/v2/serverless", json=BODY).json()["requestUrls"]
    answer = emulator.queue.post(urls["runSync"], json={"input": {"do": "echo", "value": 1}})
    assert answer.json()["output"] == 1
    status = urls["status"].replace("{job_id}", answer.json()["id"])
    assert emulator.queue.get(status).json() == answer.json()


def test_request_count_on_a_queue_has_no_idle_timeout(emulator: Emulator) -> None:
    body = {**BODY, "scaling": REQUEST_COUNT}
    assert emulator.management.post("/v2/serverless", json=body).json()["workers"] == {
        "min": 0,
        "max": 3,
    }


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"name": ""}, "$.name"),
        ({"name": None}, "$.name"),
        ({"bogus": 1}, "$.bogus"),
        ({"type": "BATCH"}, "$.type"),
        ({"workers": {"min": -1}}, "$.workers.min"),
        ({"workers": {"idleTimeout": 0}}, "$.workers.idleTimeout"),
        ({"workers": {"max": "3"}}, "$.workers.max"),
        ({"workers": {"max": True}}, "$.workers.max"),
        ({"workers": {"maximum": 3}}, "$.workers.maximum"),
        ({"scaling": {"type": "QUEUE_DELAY", "queueDelay": 0.1}}, "queueDelay"),
        ({"scaling": {"type": "QUEUE_DELAY", "requestCount": 4}}, "requestCount"),
        ({"scaling": {"type": "WISHES", "wishes": 3}}, "$.scaling"),
        ({"cpu": []}, "$.cpu"),
        ({"cpu": CPU + CPU}, "$.cpu"),
        ({"cpu": [{"id": "cpu3c", "vcpuCount": 1}]}, "$.cpu[0].vcpuCount"),
        ({"env": {"A": 1}}, "$.env.A"),
        ({"image": None}, "$.image"),
        ({"disk": 0}, "$.disk"),
        ({"flashboot": "ON"}, "$.flashboot"),
        ({"type": "LOAD_BALANCER"}, "REQUEST_COUNT"),
        ({"gpu": {"pools": []}}, "$.gpu.pools"),
        ({"gpu": {"pools": ["ADA_24"], "minCudaVersion": "12"}}, "$.gpu.minCudaVersion"),
        ({"gpu": {"pools": ["ADA_24"], "excludedTypes": ["-x"]}}, "$.gpu.excludedTypes[0]"),
    ],
)
def test_bodies_against_the_schema_are_unprocessable(
    emulator: Emulator, rest_schema: dict[str, Any], change: dict[str, Any], problem: str
) -> None:
    body = {**BODY, **change}
    with pytest.raises(jsonschema.ValidationError):
        check(body, "CreateEndpointRequest", rest_schema)
    answer = emulator.management.post("/v2/serverless", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    check(answer.json(), "ErrorResponse", rest_schema)
    assert any(problem in text for text in answer.json()["errors"]), answer.text


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"gpu": GPU}, "exactly one"),
        ({"cpu": None}, "exactly one"),
        ({"workers": {"min": 4}}, "above"),
        ({"timeout": 0}, "timeout"),
        ({"cpu": [{"id": "cpu9z", "vcpuCount": 2}]}, "unknown CPU flavor 'cpu9z'"),
        ({"cpu": [{"id": "cpu3c", "vcpuCount": 6}]}, "power of two"),
        ({"scaling": REQUEST_COUNT, "workers": {"idleTimeout": 5}}, "idleTimeout"),
        ({"cpu": None, "gpu": {"pools": ["ADA_42"]}}, "unknown GPU pool 'ADA_42'"),
        ({"cpu": None, "gpu": {**GPU, "excludedTypes": ["NVIDIA A40"]}}, "'NVIDIA A40'"),
        (
            {"cpu": None, "gpu": {"pools": ["HOPPER_141"], "excludedTypes": ["NVIDIA H200"]}},
            "leaves no GPU",
        ),
        (
            {
                "cpu": None,
                "gpu": {**GPU, "allowedCudaVersions": ["12.8"], "minCudaVersion": "12.1"},
            },
            "exclude each other",
        ),
    ],
)
def test_rules_between_fields_are_bad_requests(
    emulator: Emulator, rest_schema: dict[str, Any], change: dict[str, Any], problem: str
) -> None:
    body = {key: value for key, value in {**BODY, **change}.items() if value is not None}
    check(body, "CreateEndpointRequest", rest_schema)
    answer = emulator.management.post("/v2/serverless", json=body)
    assert answer.status_code == 400
    check(answer.json(), "ErrorResponse", rest_schema)
    assert problem in answer.json()["detail"]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff"])
def test_a_body_that_is_not_json_is_a_bad_request(emulator: Emulator, body: bytes) -> None:
    assert emulator.management.post("/v2/serverless", content=body).status_code == 400


def test_an_unknown_template_is_not_found(emulator: Emulator) -> None:
    body = {**BODY, "templateId": "abc"}
    assert emulator.management.post("/v2/serverless", json=body).status_code == 404


def test_a_patch_changes_what_it_names(emulator: Emulator, rest_schema: dict[str, Any]) -> None:
    before = emulator.management.post("/v2/serverless", json=FULL_BODY).json()
    path = f"/v2/serverless/{before['id']}"
    patch = {"name": "m", "workers": {"max": 5}, "env": {"B": "2"}, "timeout": 1000}
    check(patch, "UpdateEndpointRequest", rest_schema)
    answer = emulator.management.patch(path, json=patch)
    assert answer.status_code == 200
    check(answer.json(), "Endpoint", rest_schema)
    workers = {"min": 0, "max": 5, "idleTimeout": 7}
    assert answer.json() == {**before, **patch, "workers": workers}
    assert emulator.management.get(path).json() == answer.json()


def test_patched_pools_clear_the_excluded_types(emulator: Emulator) -> None:
    path = (
        f"/v2/serverless/{emulator.management.post('/v2/serverless', json=FULL_BODY).json()['id']}"
    )
    kept = emulator.management.patch(path, json={"gpu": {"count": 2}}).json()["gpu"]
    assert kept["excludedTypes"] == ["NVIDIA L40"]
    cleared = emulator.management.patch(path, json={"gpu": {"pools": ["ADA_48_PRO"]}}).json()["gpu"]
    assert "excludedTypes" not in cleared
    assert cleared["count"] == 2


def test_cuda_constraints_are_cleared_by_empty_values(emulator: Emulator) -> None:
    path = (
        f"/v2/serverless/{emulator.management.post('/v2/serverless', json=FULL_BODY).json()['id']}"
    )
    conflict = emulator.management.patch(path, json={"gpu": {"allowedCudaVersions": ["12.8"]}})
    assert conflict.status_code == 400
    both = {"gpu": {"allowedCudaVersions": ["12.8"], "minCudaVersion": ""}}
    gpu = emulator.management.patch(path, json=both).json()["gpu"]
    assert (gpu["allowedCudaVersions"], gpu["minCudaVersion"]) == (["12.8"], None)


def test_a_number_too_large_for_a_float_is_unprocessable(emulator: Emulator) -> None:
    content = json.dumps({**BODY, "scaling": {"type": "QUEUE_DELAY", "queueDelay": "x"}})
    answer = emulator.management.post("/v2/serverless", content=content.replace('"x"', "1e999"))
    assert answer.status_code == 422
    assert "queueDelay" in answer.text
    assert emulator.management.get("/v2/serverless").status_code == 200


@pytest.mark.parametrize(
    ("patch", "status"),
    [
        ({"gpu": GPU}, 400),
        ({"workers": {"min": 9}}, 400),
        ({"type": "LOAD_BALANCER"}, 422),
        ({"env": None}, 422),
        ({"gpu": {"excludedTypes": ["NVIDIA L40"]}}, 422),
        ({"templateId": "abc"}, 404),
    ],
)
def test_refused_patches_change_nothing(
    emulator: Emulator, patch: dict[str, Any], status: int
) -> None:
    before = emulator.management.post("/v2/serverless", json=BODY).json()
    path = f"/v2/serverless/{before['id']}"
    assert emulator.management.patch(path, json=patch).status_code == status
    assert emulator.management.get(path).json() == before


def test_switching_the_scaler_drops_the_idle_timeout(emulator: Emulator) -> None:
    body = {**BODY, "workers": {"idleTimeout": 77}}
    path = f"/v2/serverless/{emulator.management.post('/v2/serverless', json=body).json()['id']}"
    patched = emulator.management.patch(path, json={"scaling": REQUEST_COUNT})
    assert "idleTimeout" not in patched.json()["workers"]
    back = emulator.management.patch(path, json={"scaling": QUEUE_DELAY})
    assert back.json()["workers"]["idleTimeout"] == 10


def test_a_deleted_endpoint_is_gone(emulator: Emulator, rest_schema: dict[str, Any]) -> None:
    endpoint = emulator.create()
    path = f"/v2/serverless/{endpoint}"
    deleted = emulator.management.delete(path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    for answer in (
        emulator.management.get(path),
        emulator.management.delete(path),
        emulator.management.patch(path, json={"name": "x"}),
        emulator.management.get(path + "/workers"),
    ):
        assert answer.status_code == 404
        check(answer.json(), "ErrorResponse", rest_schema)
    assert emulator.queue.post(f"/{endpoint}/run", json={"input": {"a": 1}}).status_code == 404


def test_workers_read_as_the_schema_says(emulator: Emulator, rest_schema: dict[str, Any]) -> None:
    endpoint = emulator.create()
    worker = emulator.call(endpoint, do="pid")["workerId"]
    answer = emulator.management.get(f"/v2/serverless/{endpoint}/workers").json()
    check(answer, "ListEndpointWorkersResponse", rest_schema)
    assert [each["id"] for each in answer["workers"]] == [worker]
    assert answer["workers"][0]["status"] == "IDLE"
    assert answer["summary"]["idle"] == answer["summary"]["total"] == 1
    assert answer["endpointVersion"] == 1


def test_what_is_not_served_says_so(emulator: Emulator, rest_schema: dict[str, Any]) -> None:
    missing = emulator.management.get("/v2/nothing")
    assert missing.status_code == 404
    check(missing.json(), "ErrorResponse", rest_schema)
    wrong = emulator.management.put("/v2/serverless")
    assert wrong.status_code == 405
    assert wrong.headers["allow"] == "GET, HEAD, POST"
    check(wrong.json(), "ErrorResponse", rest_schema)
    one = emulator.management.put(f"/v2/serverless/{emulator.create()}")
    assert one.headers["allow"] == "DELETE, GET, HEAD, PATCH"
