"""What the official SDK accepts: the guide's table, and what becomes of what is replaced."""

from __future__ import annotations

import importlib
import re
import warnings
from pathlib import Path
from typing import Any

import pytest

import pytest_flash
from pytest_flash import (
    CpuLiveLoadBalancer,
    CpuLiveServerless,
    FlashWarning,
    GpuGroup,
    GpuType,
    LiveLoadBalancer,
    LiveServerless,
    PodTemplate,
    ServerlessScalerType,
)
from pytest_flash.errors import ConfigurationError

_GUIDE = Path(__file__).parents[2] / "docs" / "migrating.md"
_ROW = re.compile(r"^\| `(.+)` \| (same|warning|refused) \|", re.MULTILINE)
# `__all__` of runpod_flash 1.1.1.
_EXPORTS = (
    *("remote", "CpuInstanceType", "CpuLiveLoadBalancer", "CpuLiveServerless", "FlashApp"),
    *("CpuLoadBalancerSlsResource", "CpuServerlessEndpoint", "CudaVersion", "DataCenter"),
    *("GpuGroup", "GpuType", "LiveLoadBalancer", "LiveServerless", "LoadBalancerSlsResource"),
    *("NetworkVolume", "PodTemplate", "ResourceManager", "ServerlessEndpoint", "ServerlessType"),
)
# The fields of its LiveServerless, CpuLiveServerless, load balancers and PodTemplate.
_FIELDS = {
    "id": "x",
    "cudaVersions": ["12.8"],
    "env": {"A": "1"},
    "flashboot": False,
    "gpus": ["ADA_24"],
    "imageName": "me/image:1",
    "networkVolume": {"name": "v"},
    "datacenter": "EU-RO-1",
    "executionTimeoutMs": 5,
    "gpuCount": 2,
    "idleTimeout": 6,
    "instanceIds": ["cpu3g-2-8"],
    "locations": "EU-RO-1",
    "networkVolumeId": "v1",
    "flashEnvironmentId": "e",
    "scalerType": "REQUEST_COUNT",
    "scalerValue": 3,
    "templateId": "t",
    "workersMax": 4,
    "workersMin": 1,
    "workersPFBTarget": 2,
    "activeBuildid": "b",
    "aiKey": "k",
    "allowedCudaVersions": "12.8",
    "computeType": "GPU",
    "createdAt": "now",
    "gpuIds": "ADA_24",
    "hubRelease": "h",
    "repo": "r",
    "template": {"name": "t"},
    "userId": "u",
}
_TEMPLATE = {
    "id": "t",
    "advancedStart": True,
    "config": {"a": 1},
    "containerDiskInGb": 5,
    "containerRegistryAuthId": "c",
    "dockerArgs": "-u",
    "env": [{"key": "A", "value": "1"}],
    "imageName": "me/image:1",
    "name": "t",
    "ports": "8888/http",
    "startScript": "run.sh",
}
Gpu: Any = LiveServerless
Cpu: Any = CpuLiveServerless
Balanced: Any = LiveLoadBalancer
Template: Any = PodTemplate


def outcome(code: str) -> str:
    """What the guide calls what becomes of ``code``."""
    names = {name: getattr(pytest_flash, name) for name in pytest_flash.__all__}
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            eval(code, names)
        except ConfigurationError:
            return "refused"
    kinds = [each.category for each in warned]
    return {0: "same", 1: "warning"}[len(kinds)] if set(kinds) <= {FlashWarning} else f"{kinds}"


def test_the_table_says_what_happens() -> None:
    rows: list[tuple[str, str]] = _ROW.findall(_GUIDE.read_text())
    assert {word for _, word in rows} == {"same", "warning", "refused"}
    assert {code: outcome(code) for code, _ in rows} == dict(rows)


def test_the_table_has_every_official_name_and_field() -> None:
    guide = _GUIDE.read_text()
    rows = guide[guide.index("| In the app") :]
    missing = {name for name in _EXPORTS if f"{name}" not in rows}
    assert not missing
    ours = {*Gpu.model_fields, *Cpu.model_fields, *Template.model_fields}
    assert {field for field in (_FIELDS.keys() | _TEMPLATE.keys()) - ours if field not in rows} == (
        set()
    )


@pytest.mark.parametrize("name", [*_EXPORTS, "Endpoint", "FlashWarning"])
def test_every_official_name_can_be_imported(name: str) -> None:
    assert getattr(importlib.import_module("pytest_flash"), name).__name__ == name


def test_every_official_field_is_accepted_with_at_most_one_warning() -> None:
    makes: list[Any] = [LiveServerless, CpuLiveServerless, LiveLoadBalancer, CpuLiveLoadBalancer]
    given = [
        (make, {"name": "x", "workersMax": 4, k: v}) for make in makes for k, v in _FIELDS.items()
    ]
    for make, fields in [*given, *((PodTemplate, {k: v}) for k, v in _TEMPLATE.items())]:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            assert make(**fields) is not None
        assert [each.category for each in warned] in ([], [FlashWarning]), (make, fields)
        assert all(each.filename == __file__ for each in warned)


@pytest.mark.parametrize(
    ("given", "meant", "warning"),
    [
        (
            lambda: Cpu(name="x", instanceIds=["cpu5c-1-2", "cpu5c-2-4", "cpu3g-1-4"]),
            lambda: Cpu(name="x", instanceIds=["cpu5c-2-4", "cpu3g-2-8"]),
            "'cpu5c-2-4' is used for 'cpu5c-1-2': .*; 'cpu3g-2-8' is used for 'cpu3g-1-4'",
        ),
        (
            lambda: Cpu(name="x", locations="US-TX-3,EU-RO-1"),
            lambda: Cpu(name="x", locations="EU-RO-1"),
            "EU-RO-1 is used for US-TX-3",
        ),
        (lambda: Cpu(name="x", gpuCount=2), lambda: Cpu(name="x"), "gpuCount is ignored: "),
        (lambda: Gpu(name="x", qqqq=2), lambda: Gpu(name="x"), "qqqq is ignored: there is no "),
        (lambda: Gpu(name="x", imageName="i"), lambda: Gpu(name="x"), "imageName is ignored: "),
        (
            lambda: Gpu(name="x", env={"RUNPOD_API_KEY": "rpa_1", "A": "1"}),
            lambda: Gpu(name="x", env={"A": "1"}),
            "RUNPOD_API_KEY is left out of env",
        ),
        (
            lambda: Template(env=[{"key": "RUNPOD_API_KEY", "value": "k"}], startScript="run"),
            lambda: Template(env={}),
            "startScript is ignored: .*; RUNPOD_API_KEY is left out of env",
        ),
        (
            lambda: Balanced(name="x", scalerType=ServerlessScalerType.QUEUE_DELAY),
            lambda: Balanced(name="x"),
            "REQUEST_COUNT is used for scalerType",
        ),
    ],
)
def test_what_is_left_out_or_replaced_is_warned_of_once(
    given: Any, meant: Any, warning: str
) -> None:
    with pytest.warns(FlashWarning, match=warning) as warned:
        made = given()
    assert made == meant()
    assert len(warned) == 1
    assert issubclass(FlashWarning, UserWarning)


@pytest.mark.parametrize(
    ("ids", "gpus"),
    [
        ("any", [GpuGroup.ANY]),
        ("AMPERE_24, ADA_24", [GpuGroup.AMPERE_24, GpuGroup.ADA_24]),
        ("NVIDIA L4", [GpuType.NVIDIA_L4]),
        (
            "AMPERE_24,-NVIDIA L4,ADA_24",
            [GpuType.NVIDIA_RTX_A5000, GpuType.NVIDIA_GEFORCE_RTX_3090, GpuGroup.ADA_24],
        ),
    ],
)
def test_gpu_ids_are_what_gpus_would_be(ids: str, gpus: list[Any]) -> None:
    assert Gpu(name="x", gpuIds=ids) == Gpu(name="x", gpus=gpus)


def test_the_helpers_of_the_official_enums() -> None:
    assert GpuGroup.all() == [each for each in GpuGroup if each is not GpuGroup.ANY]
    assert GpuType.ANY not in GpuType.all()
    assert GpuType.is_gpu_type("NVIDIA L4")
    assert not GpuType.is_gpu_type("any")
    text = GpuGroup.to_gpu_ids_str([GpuGroup.ADA_24, GpuType.NVIDIA_L4])
    assert text == "ADA_24,AMPERE_24,-NVIDIA RTX A5000,-NVIDIA GeForce RTX 3090"
    assert GpuGroup.from_gpu_ids_str(text) == [GpuGroup.ADA_24, GpuType.NVIDIA_L4]


def test_instances_make_it_an_endpoint_on_cpus() -> None:
    assert Gpu(name="x", instanceIds=["cpu3g-2-8"]) == Cpu(name="x")
    assert Balanced(name="x", instanceIds=["cpu3g-2-8"]) == CpuLiveLoadBalancer(name="x")
