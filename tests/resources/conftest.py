"""Valid resources of every kind, and the official schema to hold requests against."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pytest_flash.resources import (
    CpuInstanceType,
    CpuLiveLoadBalancer,
    CpuLiveServerless,
    CudaVersion,
    DataCenter,
    GpuGroup,
    GpuType,
    LiveLoadBalancer,
    LiveServerless,
    NetworkVolume,
    PodTemplate,
    ServerlessResource,
    ServerlessScalerType,
)

_SCHEMA = Path(__file__).parents[2].parent / "shared" / "contracts" / "runpod-rest-v2.json"

_names = st.from_regex(
    r"[A-Za-z0-9_]([A-Za-z0-9 ._:/@+-]{0,30}[A-Za-z0-9])?", fullmatch=True
).filter(lambda name: name.strip("-") != "live")
_ids = st.from_regex(r"[a-z0-9]{8,14}", fullmatch=True)
_env_names = st.from_regex(r"[A-Z_][A-Z0-9_]{0,12}", fullmatch=True).filter(
    lambda name: not name.startswith(("RUNPOD_", "PYTEST_"))
)
_envs = st.dictionaries(
    _env_names, st.text(max_size=8).filter(lambda text: "\0" not in text), max_size=3
)


def _lists(values: Any) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(list(values)), max_size=4)


def _templates(disk: st.SearchStrategy[int | None]) -> st.SearchStrategy[PodTemplate]:
    return st.builds(
        PodTemplate,
        imageName=st.sampled_from(["", "me/worker:1"]),
        containerDiskInGb=disk,
        dockerArgs=st.sampled_from(["", "python -u handler.py"]),
        ports=_lists(["8888/http", "22/tcp", "53/udp"]),
        env=_envs,
        containerRegistryAuthId=st.sampled_from(["", "cred123"]),
    )


@st.composite
def _options(
    draw: st.DrawFn,
    make: type[ServerlessResource],
    disk: st.SearchStrategy[int | None],
    places: Any,
) -> dict[str, Any]:
    balanced = make in (LiveLoadBalancer, CpuLiveLoadBalancer)
    scalers = [ServerlessScalerType.REQUEST_COUNT] if balanced else list(ServerlessScalerType)
    low = draw(st.integers(0, 5))
    container: st.SearchStrategy[dict[str, Any]] = st.one_of(
        st.just({}),
        st.fixed_dictionaries({"template": _templates(disk)}),
        st.fixed_dictionaries({"templateId": _ids}),
    )
    volume = st.builds(NetworkVolume, name=_names, id=_ids)
    return {
        "name": draw(_names),
        "workersMin": low,
        "workersMax": low + draw(st.integers(0, 5)),
        "idleTimeout": draw(st.integers(1, 3600)),
        "executionTimeoutMs": draw(st.sampled_from([0, 1000, 300_000, 600_000])),
        "env": draw(_envs),
        "flashboot": draw(st.booleans()),
        "scalerType": draw(st.sampled_from(scalers)),
        "scalerValue": draw(st.integers(1, 50)),
        "datacenter": draw(_lists(places)),
        "networkVolume": draw(st.none() | volume),
        **draw(container),
    }


@st.composite
def _gpu(draw: st.DrawFn, make: type[LiveServerless] = LiveServerless) -> LiveServerless:
    return make(
        gpus=draw(_lists([*GpuGroup, *GpuType])),
        gpuCount=draw(st.integers(1, 8)),
        cudaVersions=draw(_lists(CudaVersion)),
        **draw(_options(make, st.none() | st.integers(1, 500), DataCenter)),
    )


@st.composite
def _cpu(draw: st.DrawFn, make: type[CpuLiveServerless] = CpuLiveServerless) -> CpuLiveServerless:
    usable = [each for each in CpuInstanceType if each.vcpus > 1]
    return make(
        instanceIds=draw(st.lists(st.sampled_from(usable), min_size=1, max_size=4)),
        **draw(_options(make, st.none() | st.integers(1, 20), [DataCenter.EU_RO_1])),
    )


@pytest.fixture(scope="session")
def gpu_resources() -> st.SearchStrategy[LiveServerless]:
    return _gpu()


@pytest.fixture(scope="session")
def cpu_resources() -> st.SearchStrategy[CpuLiveServerless]:
    return _cpu()


@pytest.fixture(scope="session")
def balanced_resources() -> st.SearchStrategy[ServerlessResource]:
    return _gpu(LiveLoadBalancer)


@pytest.fixture(scope="session")
def resources() -> st.SearchStrategy[ServerlessResource]:
    return st.one_of(_gpu(), _cpu(), _gpu(LiveLoadBalancer), _cpu(CpuLiveLoadBalancer))


@pytest.fixture(scope="session")
def conform() -> Callable[[str, object], None]:
    """``conform("Endpoint", document)`` fails unless the official schema accepts it."""
    if not _SCHEMA.is_file():
        pytest.skip("the official REST schema is not beside this checkout")
    components = json.loads(_SCHEMA.read_text())["components"]
    validators: dict[str, Draft202012Validator] = {}

    def check(name: str, document: object) -> None:
        root = {"$ref": f"#/components/schemas/{name}", "components": components}
        validator = validators.setdefault(name, Draft202012Validator(root))
        problems = [
            f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)
        ]
        assert problems == []

    return check
