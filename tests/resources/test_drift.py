"""An endpoint is compared with what its resource asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flash.provisioner.request_and_drift import FieldChange, endpoint_patch, endpoint_request
from pytest_flash.resources import (
    CpuLiveServerless,
    GpuType,
    LiveServerless,
    PodTemplate,
    ServerlessResource,
)

Gpu: Any = LiveServerless
Cpu: Any = CpuLiveServerless
Conform = Callable[[str, object], None]
_TEMPLATE = {"image": "template/image:1", "disk": 33, "args": "-x", "ports": ["1/tcp"]}


def request(resource: ServerlessResource) -> dict[str, Any]:
    return dict(
        endpoint_request(resource, name=f"live-{resource.name}", image="img", owner="p/default")
    )


def answer(body: dict[str, Any]) -> dict[str, Any]:
    """The ``Endpoint`` that Runpod makes of ``body``: everything spelled out."""
    endpoint = {
        "args": "",
        "ports": [],
        "registry": None,
        **(_TEMPLATE if "templateId" in body else {}),
        **{key: value for key, value in body.items() if key not in ("templateId", "gpu", "cpu")},
        "id": "4m7x2k9q",
        "createdAt": "2026-06-01T12:00:00Z",
    }
    if "templateId" in body:
        endpoint["env"] = {"FROM_TEMPLATE": "1", **body["env"]}
    if "gpu" in body:
        endpoint["gpu"] = {"allowedCudaVersions": [], "minCudaVersion": None, **body["gpu"]}
    else:
        endpoint["cpu"] = [{**each, "memory": 2 * each["vcpuCount"]} for each in body["cpu"]]
    return endpoint


def apply(endpoint: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """What Runpod's PATCH does to an endpoint (REST v2, updateEndpoint)."""
    flat = {key: value for key, value in patch.items() if key not in ("gpu", "workers", "cpu")}
    changed = {**endpoint, **(_TEMPLATE if "templateId" in patch else {}), **flat}
    if "templateId" in patch:
        changed["env"] = {"FROM_TEMPLATE": "1", **patch.get("env", {})}
        del changed["templateId"]
    if "gpu" in patch:
        kept = dict(endpoint["gpu"])
        if "pools" in patch["gpu"]:
            kept.pop("excludedTypes", None)
        changed["gpu"] = kept | patch["gpu"]
    if "cpu" in patch:
        changed["cpu"] = [{**each, "memory": 4} for each in patch["cpu"]]
    changed["workers"] = {**endpoint["workers"], **patch.get("workers", {})}
    if (changed["type"], changed["scaling"]["type"]) == ("QUEUE", "REQUEST_COUNT"):
        changed["workers"].pop("idleTimeout", None)
    return changed


def shuffled(value: Any, data: st.DataObject) -> Any:
    if isinstance(value, dict):
        keys = data.draw(st.permutations(list(value)))
        return {key: shuffled(value[key], data) for key in keys}
    if isinstance(value, list):
        return data.draw(st.permutations([shuffled(each, data) for each in value]))
    return float(value) if type(value) is int and data.draw(st.booleans()) else value


@given(st.data())
def test_an_endpoint_as_asked_for_has_no_drift(
    resources: st.SearchStrategy[ServerlessResource], conform: Conform, data: st.DataObject
) -> None:
    body = request(data.draw(resources))
    endpoint = answer(body)
    conform("Endpoint", endpoint)
    drift = endpoint_patch(shuffled(endpoint, data), body)
    assert (drift.changes, drift.patch, drift.recreate) == ((), {}, None)


@given(st.data())
def test_the_patch_is_valid_and_removes_the_drift(
    gpu_resources: st.SearchStrategy[ServerlessResource],
    cpu_resources: st.SearchStrategy[ServerlessResource],
    balanced_resources: st.SearchStrategy[ServerlessResource],
    conform: Conform,
    data: st.DataObject,
) -> None:
    kind = data.draw(st.sampled_from([gpu_resources, cpu_resources, balanced_resources]))
    body = request(data.draw(kind))
    endpoint = answer(request(data.draw(kind)))
    drift = endpoint_patch(endpoint, body)
    assert drift.recreate is None
    assert bool(drift.changes) is bool(drift.patch)
    conform("UpdateEndpointRequest", drift.patch)
    patched = apply(endpoint, drift.patch)
    assert endpoint_patch(patched, body).changes == ()
    if "templateId" not in body:
        assert patched["env"] == body["env"]
    if (patched["type"], patched["scaling"]["type"]) == ("QUEUE", "REQUEST_COUNT"):
        assert "idleTimeout" not in drift.patch.get("workers", {})


@pytest.mark.parametrize(
    ("old", "new", "changed", "patch"),
    [
        ({}, {"workersMax": 5}, "workers.max", {"workers": {"min": 0, "max": 5, "idleTimeout": 5}}),
        ({}, {"executionTimeoutMs": 9000}, "timeout", {"timeout": 9000}),
        ({}, {"flashboot": False}, "flashboot", {"flashboot": "OFF"}),
        ({}, {"gpuCount": 2}, "gpu.count", {"gpu": {"count": 2}}),
        (
            {"cudaVersions": ["12.8"]},
            {},
            "gpu.allowedCudaVersions",
            {"gpu": {"allowedCudaVersions": []}},
        ),
        (
            {"gpus": [GpuType.NVIDIA_L4]},
            {"gpus": [GpuType.NVIDIA_L4, GpuType.NVIDIA_RTX_A5000]},
            "gpu.excludedTypes",
            {"gpu": {"pools": ["AMPERE_24"], "excludedTypes": ["NVIDIA GeForce RTX 3090"]}},
        ),
        (
            {},
            {"scalerValue": 2},
            "scaling",
            {"scaling": {"type": "QUEUE_DELAY", "queueDelay": 2}},
        ),
        ({}, {"datacenter": []}, "dataCenterIds", {"dataCenterIds": []}),
        ({"networkVolumeId": "v1"}, {}, "networkVolumes", {"networkVolumes": []}),
        ({"template": PodTemplate(dockerArgs="-x")}, {}, "args", {"args": ""}),
        ({"template": PodTemplate(ports="1/tcp")}, {}, "ports", {"ports": []}),
        (
            {"template": PodTemplate(containerRegistryAuthId="c")},
            {},
            "registry",
            {"registry": None},
        ),
        (
            {"env": {"A": "1"}},
            {},
            "env.A",
            {"env": {"PYTEST_FLASH_OWNER": "p/default"}},
        ),
    ],
)
def test_a_patch_holds_only_what_changed(
    old: dict[str, Any], new: dict[str, Any], changed: str, patch: dict[str, Any]
) -> None:
    endpoint = answer(request(Gpu(name="x", **old)))
    drift = endpoint_patch(endpoint, request(Gpu(name="x", **new)))
    assert [change.field for change in drift.changes] == [changed]
    assert drift.patch == patch


def test_a_change_names_old_and_new() -> None:
    drift = endpoint_patch(
        answer(request(Gpu(name="x", workersMax=2))), request(Gpu(name="x", workersMax=5))
    )
    (change,) = drift.changes
    assert (change.field, change.old, change.new) == ("workers.max", 2, 5)


def test_going_over_to_queue_delay_restates_the_idle_timeout() -> None:
    endpoint = answer(request(Gpu(name="x", scalerType="REQUEST_COUNT")))
    drift = endpoint_patch(endpoint, request(Gpu(name="x", idleTimeout=30)))
    assert drift.patch == {
        "workers": {"min": 0, "max": 3, "idleTimeout": 30},
        "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
    }


def test_a_cuda_floor_set_by_someone_else_is_cleared() -> None:
    endpoint = answer(request(Gpu(name="x")))
    endpoint["gpu"]["minCudaVersion"] = "12.1"
    drift = endpoint_patch(endpoint, request(Gpu(name="x", cudaVersions=["12.8"])))
    assert drift.patch == {"gpu": {"allowedCudaVersions": ["12.8"], "minCudaVersion": ""}}


def test_a_request_that_leaves_defaults_out_equals_an_answer_that_spells_them_out() -> None:
    body = {
        "name": "x",
        "type": "QUEUE",
        "image": "img",
        "gpu": {"pools": ["ADA_24"]},
        "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
    }
    spelled_out = answer(
        {
            **body,
            "gpu": {"pools": ["ADA_24"], "count": 1, "excludedTypes": []},
            "workers": {"min": 0, "max": 3, "idleTimeout": 10},
            "disk": 20,
            "env": {},
            "dataCenterIds": [],
            "networkVolumes": [],
            "timeout": 300_000,
            "flashboot": "OFF",
        }
    )
    assert endpoint_patch(spelled_out, body).changes == ()


def test_variables_that_runpod_sets_are_no_drift() -> None:
    body = request(Gpu(name="x"))
    endpoint = answer(body)
    endpoint["env"] = {**endpoint["env"], "RUNPOD_ENDPOINT_ID": "4m7x2k9q"}
    assert endpoint_patch(endpoint, body).changes == ()


def test_another_compute_family_means_recreation() -> None:
    drift = endpoint_patch(answer(request(Gpu(name="x"))), request(Cpu(name="x")))
    assert drift.recreate == "compute cannot be changed from GPU to CPU"
    assert drift.patch == {}
    assert [change.field for change in drift.changes] == ["compute"]
    back = endpoint_patch({**answer(request(Cpu(name="x"))), "gpu": None}, request(Gpu(name="x")))
    assert back.recreate == "compute cannot be changed from CPU to GPU"


def test_another_type_means_recreation() -> None:
    endpoint = {**answer(request(Gpu(name="x"))), "type": "LOAD_BALANCER"}
    drift = endpoint_patch(endpoint, request(Gpu(name="x")))
    assert drift.recreate == "type cannot be changed from LOAD_BALANCER to QUEUE"


def test_an_env_beside_a_template_is_sent_with_it_so_that_the_templates_part_stays() -> None:
    endpoint = answer(request(Gpu(name="x", templateId="30zmvf89kd")))
    wanted = request(Gpu(name="x", templateId="30zmvf89kd", env={"A": "1"}))
    drift = endpoint_patch(endpoint, wanted)
    assert [change.field for change in drift.changes] == ["env.A"]
    assert apply(endpoint, drift.patch)["env"] == {**endpoint["env"], "A": "1"}


def test_another_template_is_applied_anew_and_leaves_the_owner() -> None:
    """Nothing in an answer says which template an endpoint came from; what was recorded does."""
    first, second = (request(Gpu(name="x", templateId=each)) for each in ("30zmvf89kd", "9xq"))
    endpoint = answer(first)
    assert endpoint_patch(endpoint, first, first).changes == ()
    drift = endpoint_patch(endpoint, second, first)
    assert drift.changes == (FieldChange("templateId", "30zmvf89kd", "9xq"),)
    assert drift.patch == {"templateId": "9xq", "env": second["env"]}
