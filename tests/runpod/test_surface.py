"""What the client sends and reads, against the official schema and a real emulator."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pytest_flash.emulator.client.process import EmulatorProcess
from pytest_flash.errors import NotFoundError, RunpodConnectionError
from pytest_flash.runpod import ManagementClient
from pytest_flash.target import Target, TargetKind
from tests.runpod.scripted import OWNER, Request, ScriptedServer, says

CREATE = {
    "name": "live-x",
    "type": "QUEUE",
    "image": "test/worker",
    "cpu": [{"id": "cpu3c", "vcpuCount": 2}],
    "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
    "env": {OWNER: "shop/default"},
}
CALLS: dict[tuple[str, str], Callable[[ManagementClient], Any]] = {
    ("GET", "/v2/serverless"): lambda client: client.endpoints(),
    ("POST", "/v2/serverless"): lambda client: client.create(CREATE),
    ("GET", "/v2/serverless/{id}"): lambda client: client.endpoint("ep1"),
    ("PATCH", "/v2/serverless/{id}"): lambda client: client.update("ep1", {"timeout": 1000}),
    ("DELETE", "/v2/serverless/{id}"): lambda client: client.delete("ep1"),
    ("GET", "/v2/serverless/{id}/workers"): lambda client: client.workers("ep1"),
    ("GET", "/v2/network-volumes"): lambda client: client.network_volumes(),
    ("POST", "/v2/network-volumes"): lambda client: client.create_network_volume(
        "data", 50, "EU-RO-1"
    ),
    ("GET", "/v2/catalog/gpus"): lambda client: client.gpus(),
    ("GET", "/v2/catalog/cpus"): lambda client: client.cpus(),
}
EVERY_CALL = pytest.mark.parametrize("operation", CALLS, ids=" ".join)


def success(contract: dict[str, Any], operation: tuple[str, str]) -> tuple[int, Any]:
    """The success status that the schema declares, and its example body (None without)."""
    method, path = operation
    responses = contract["paths"][path][method.lower()]["responses"]
    status = next(each for each in responses if each.startswith("2"))
    content = responses[status].get("content")
    if content is None:
        return int(status), None
    example = next(iter(content["application/json"]["examples"].values()))
    return int(status), example["value"]


def validate(contract: dict[str, Any], request: Request, operation: tuple[str, str]) -> None:
    method, path = operation
    assert request.method == method
    assert re.fullmatch(path.replace("{id}", "[^/]+"), urlsplit(request.path).path)
    assert "?" not in request.path
    declared = contract["paths"][path][method.lower()].get("requestBody")
    if declared is None:
        assert request.body is None
    else:
        schema = declared["content"]["application/json"]["schema"]
        Draft202012Validator({"components": contract["components"], **schema}).validate(
            request.body
        )


@EVERY_CALL
def test_a_call_is_as_declared_and_reads_the_documented_example(
    server: ScriptedServer,
    client: ManagementClient,
    contract: dict[str, Any],
    operation: tuple[str, str],
) -> None:
    status, example = success(contract, operation)
    server.plays(says(b"" if example is None else example, status))
    CALLS[operation](client)
    (request,) = server.requests
    validate(contract, request, operation)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.text(min_size=1, max_size=20), size=st.integers(10, 4096))
def test_every_volume_request_is_valid(
    server: ScriptedServer,
    client: ManagementClient,
    contract: dict[str, Any],
    name: str,
    size: int,
) -> None:
    volume = {"id": "v", "name": name, "size": size, "dataCenter": "US-KS-2", "type": "STANDARD"}
    server.plays(says(volume, 201))
    made = client.create_network_volume(name, size, "US-KS-2")
    assert (made.name, made.size, made.data_center) == (name, size, "US-KS-2")
    validate(contract, server.requests[0], ("POST", "/v2/network-volumes"))
    assert server.requests[0].body == {"name": name, "size": size, "dataCenter": "US-KS-2"}


def test_the_catalog_has_prices(
    server: ScriptedServer, client: ManagementClient, contract: dict[str, Any]
) -> None:
    server.plays(
        says(success(contract, ("GET", "/v2/catalog/gpus"))[1]),
        says(success(contract, ("GET", "/v2/catalog/cpus"))[1]),
    )
    (gpu,), (cpu,) = client.gpus(), client.cpus()
    assert (gpu.id, gpu.pool, gpu.memory) == ("NVIDIA GeForce RTX 4090", "ADA_24", 24)
    assert (gpu.price.secure, gpu.price.serverless) == (0.44, 1.1)
    assert (cpu.vcpu.min, cpu.vcpu.max, cpu.ram_gb_per_vcpu) == (2, 32, 2.5)
    assert (cpu.price.secure_per_vcpu, cpu.price.serverless_per_vcpu) == (0.04, 0.03)


def test_a_gpu_outside_the_serverless_pools_has_no_serverless_price(
    server: ScriptedServer, client: ManagementClient
) -> None:
    price = {"secure": 1, "community": 0.5}
    gpu: dict[str, Any] = {
        "id": "NVIDIA X",
        "name": "X",
        "pool": None,
        "memory": 8,
        "price": price,
        "new": [],
    }
    server.plays(says({"gpus": [gpu]}))
    (found,) = client.gpus()
    assert found.pool is None
    assert found.price.serverless is None


def test_workers_are_listed_with_their_summary(
    server: ScriptedServer, client: ManagementClient, contract: dict[str, Any]
) -> None:
    server.plays(says(success(contract, ("GET", "/v2/serverless/{id}/workers"))[1]))
    found = client.workers("ep1")
    (worker,) = found.workers
    assert (worker.id, worker.status, worker.is_stale) == ("8g3n5t6r", "RUNNING", False)
    assert worker.gpu_type_id == "NVIDIA GeForce RTX 4090"
    assert (found.summary.running, found.summary.total, found.endpoint_version) == (1, 2, 4)


def test_what_the_schema_adds_to_an_endpoint_is_kept(
    server: ScriptedServer, client: ManagementClient, contract: dict[str, Any]
) -> None:
    _, example = success(contract, ("GET", "/v2/serverless"))
    server.plays(says(example))
    (endpoint,) = client.endpoints()
    assert endpoint.document() == example["endpoints"][0]
    assert "sdxl" not in repr(endpoint)  # Values of `env` stay out.


@EVERY_CALL
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"endpoints": 3, "networkVolumes": {}, "gpus": None, "cpus": "x", "workers": [1]},
        {"endpoints": [{}], "networkVolumes": [{}], "gpus": [{}], "cpus": [{}], "summary": {}},
    ],
)
def test_an_answer_of_the_wrong_shape_is_an_error(
    server: ScriptedServer, client: ManagementClient, operation: tuple[str, str], body: Any
) -> None:
    server.always = says(body)
    with pytest.raises(RunpodConnectionError):
        CALLS[operation](client)


def test_an_endpoint_lives_and_dies_on_the_emulator(tmp_path: Path) -> None:
    with EmulatorProcess.start(tmp_path) as emulator:
        target = Target(
            TargetKind.LIVE,
            emulator.management_url,
            emulator.queue_url,
            emulator.api_key,
            "a test asked",
        )
        with ManagementClient(target) as client:
            made = client.create(CREATE)
            assert [each.id for each in client.endpoints()] == [made.id]
            assert client.update(made.id, {"timeout": 7000}).timeout == 7000
            assert client.endpoint(made.id).timeout == 7000
            assert client.workers(made.id).summary.total == 0
            assert client.delete(made.id) is True
            assert client.delete(made.id) is False
            with pytest.raises(NotFoundError):
                client.endpoint(made.id)
