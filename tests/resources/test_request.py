"""Resources become bodies that Runpod's REST API accepts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flash.errors import ProvisioningError
from pytest_flash.provisioner.request_and_drift import endpoint_request, live_name
from pytest_flash.resources import (
    POOL_TYPES,
    CpuLiveServerless,
    CudaVersion,
    GpuGroup,
    GpuType,
    LiveServerless,
    NetworkVolume,
    PodTemplate,
    ServerlessResource,
    pool_of,
)

ALL_POOLS = [pool.value for pool in POOL_TYPES]


def request(resource: ServerlessResource, volume_ids: tuple[str, ...] = ()) -> dict[str, Any]:
    body = endpoint_request(
        resource,
        name="live-x",
        image="runpod/flash:py3.11-latest",
        owner="shop/default",
        volume_ids=volume_ids,
    )
    return dict(body)


@given(st.data())
def test_every_resource_becomes_a_valid_request(
    resources: st.SearchStrategy[ServerlessResource],
    conform: Callable[[str, object], None],
    data: st.DataObject,
) -> None:
    resource = data.draw(resources)
    body = request(resource)
    conform("CreateEndpointRequest", body)
    assert ("gpu" in body) is (resource.compute == "GPU")
    assert ("cpu" in body) is (resource.compute == "CPU")
    assert body["env"]["PYTEST_FLASH_OWNER"] == "shop/default"


def test_a_gpu_resource_in_full() -> None:
    assert request(LiveServerless(name="x", env={"A": "1"})) == {
        "name": "live-x",
        "type": "QUEUE",
        "gpu": {"pools": ALL_POOLS, "count": 1},
        "image": "runpod/flash:py3.11-latest",
        "disk": 64,
        "env": {"A": "1", "PYTEST_FLASH_OWNER": "shop/default"},
        "workers": {"min": 0, "max": 3, "idleTimeout": 5},
        "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
        "dataCenterIds": ["EU-RO-1"],
        "networkVolumes": [],
        "timeout": 600_000,
        "flashboot": "FLASHBOOT",
    }


def test_cpu_instances_become_flavors_and_the_smallest_disk_cap() -> None:
    body = request(CpuLiveServerless(name="x", instanceIds=["cpu5c-8-16", "cpu3c-2-4"]))
    assert body["cpu"] == [{"id": "cpu5c", "vcpuCount": 8}, {"id": "cpu3c", "vcpuCount": 2}]
    assert body["disk"] == 20


@pytest.mark.parametrize(
    ("gpus", "pools", "excluded"),
    [
        ([], ALL_POOLS, None),
        ([GpuGroup.ANY], ALL_POOLS, None),
        ([GpuType.ANY], ALL_POOLS, None),
        ([GpuGroup.ADA_24, GpuType.ANY], ALL_POOLS, None),
        ([GpuGroup.ADA_24, GpuGroup.AMPERE_80], ["ADA_24", "AMPERE_80"], None),
        ([GpuType.NVIDIA_GEFORCE_RTX_4090], ["ADA_24"], None),
        (
            [GpuType.NVIDIA_L4],
            ["AMPERE_24"],
            ["NVIDIA RTX A5000", "NVIDIA GeForce RTX 3090"],
        ),
        (
            [GpuType.NVIDIA_L4, GpuType.NVIDIA_A40, GpuType.NVIDIA_RTX_A5000],
            ["AMPERE_24", "AMPERE_48"],
            ["NVIDIA GeForce RTX 3090", "NVIDIA RTX A6000"],
        ),
        ([GpuType.NVIDIA_L4, GpuGroup.AMPERE_24], ["AMPERE_24"], None),
        ([GpuType.NVIDIA_A40, GpuType.NVIDIA_RTX_A6000], ["AMPERE_48"], None),
    ],
)
def test_gpus_become_pools_without_the_types_that_were_not_named(
    gpus: list[GpuGroup | GpuType], pools: list[str], excluded: list[str] | None
) -> None:
    gpu = request(LiveServerless(name="x", gpus=gpus))["gpu"]
    assert gpu["pools"] == pools
    assert gpu.get("excludedTypes") == excluded


@given(st.lists(st.sampled_from([each for each in GpuType if each is not GpuType.ANY]), min_size=1))
def test_named_gpu_types_are_exactly_what_is_left(gpus: list[GpuType]) -> None:
    gpu = request(LiveServerless(name="x", gpus=gpus))["gpu"]
    offered = {each for pool in gpu["pools"] for each in POOL_TYPES[GpuGroup(pool)]}
    assert offered - set(gpu.get("excludedTypes", [])) == set(gpus)


def test_every_gpu_type_is_in_one_pool() -> None:
    held = [gpu for types in POOL_TYPES.values() for gpu in types]
    assert sorted(held) == sorted(set(GpuType) - {GpuType.ANY})
    assert set(POOL_TYPES) == set(GpuGroup) - {GpuGroup.ANY}
    assert pool_of(GpuType.ANY) is GpuGroup.ANY


def test_scaling_on_request_count_has_no_idle_timeout() -> None:
    body = request(LiveServerless(name="x", scalerType="REQUEST_COUNT", scalerValue=2))
    assert body["scaling"] == {"type": "REQUEST_COUNT", "requestCount": 2}
    assert body["workers"] == {"min": 0, "max": 3}


def test_plain_fields_become_their_rest_names() -> None:
    resource = LiveServerless(
        name="x",
        gpuCount=2,
        flashboot=False,
        executionTimeoutMs=5000,
        cudaVersions=[CudaVersion.V12_8],
        datacenter=["US-KS-2", "EU-RO-1"],
        networkVolumeId="vol12345",
    )
    body = request(resource)
    assert body["gpu"] == {"pools": ALL_POOLS, "count": 2, "allowedCudaVersions": ["12.8"]}
    assert body["flashboot"] == "OFF"
    assert body["timeout"] == 5000
    assert body["dataCenterIds"] == ["US-KS-2", "EU-RO-1"]
    assert body["networkVolumes"] == ["vol12345"]


def test_a_template_gives_the_container_settings_and_the_resource_env_wins() -> None:
    template = PodTemplate(
        imageName="me/worker:1",
        containerDiskInGb=30,
        dockerArgs="-u handler.py",
        ports="8888/http,22/tcp",
        env={"A": "template", "B": "template"},
        containerRegistryAuthId="cred",
    )
    body = request(LiveServerless(name="x", template=template, env={"A": "resource"}))
    assert {key: body[key] for key in ("image", "disk", "args", "ports", "registry", "env")} == {
        "image": "me/worker:1",
        "disk": 30,
        "args": "-u handler.py",
        "ports": ["8888/http", "22/tcp"],
        "registry": "cred",
        "env": {"A": "resource", "B": "template", "PYTEST_FLASH_OWNER": "shop/default"},
    }


def test_a_template_of_runpods_leaves_image_and_disk_to_it() -> None:
    body = request(LiveServerless(name="x", templateId="30zmvf89kd"))
    assert body["templateId"] == "30zmvf89kd"
    assert body.keys().isdisjoint({"image", "disk"})


def test_a_network_volume_is_named_by_its_id() -> None:
    known = LiveServerless(name="x", networkVolume=NetworkVolume(name="v", id="vol12345"))
    assert request(known)["networkVolumes"] == ["vol12345"]
    by_name = LiveServerless(name="x", networkVolume=NetworkVolume(name="data"))
    assert request(by_name, ("found123",))["networkVolumes"] == ["found123"]
    with pytest.raises(ProvisioningError, match="'x': its network volume 'data'"):
        request(by_name)


@pytest.mark.parametrize(
    ("name", "namespace", "expected"),
    [
        ("gpu", None, "live-gpu"),
        ("live-gpu", None, "live-gpu"),
        ("live-live-gpu", None, "live-gpu"),
        ("gpu", "ci", "live-ci-gpu"),
        ("live-gpu", "ci", "live-ci-gpu"),
        ("gpu", "live-ci", "live-ci-gpu"),
        ("alive-gpu", None, "live-alive-gpu"),
    ],
)
def test_live_names(name: str, namespace: str | None, expected: str) -> None:
    assert live_name(name, namespace) == expected


@given(
    st.lists(st.sampled_from(["live-", "live", "-", "x"]), min_size=1).map("".join),
    st.none() | st.lists(st.sampled_from(["live-", "live", "ci"]), min_size=1).map("".join),
)
def test_a_live_name_never_doubles_its_prefix(name: str, namespace: str | None) -> None:
    made = live_name(name, namespace)
    assert made.startswith("live-")
    assert not made.startswith("live-live-")
    assert live_name(made) == made
