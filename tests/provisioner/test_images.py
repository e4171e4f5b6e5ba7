"""Which image an endpoint's workers run."""

from __future__ import annotations

import pytest

from pytest_flash import (
    CpuLiveLoadBalancer,
    CpuLiveServerless,
    LiveLoadBalancer,
    LiveServerless,
)
from pytest_flash.errors import SettingsError
from pytest_flash.provisioner.images import image_for
from pytest_flash.resources import ServerlessResource
from pytest_flash.settings import Environment

GPU, CPU = LiveServerless(name="g"), CpuLiveServerless(name="c")
GPU_LB, CPU_LB = LiveLoadBalancer(name="gl"), CpuLiveLoadBalancer(name="cl")


@pytest.mark.parametrize(
    ("resource", "process", "expected"),
    [
        (GPU, {}, "runpod/flash:py{python}-latest"),
        (CPU, {}, "runpod/flash-cpu:py{python}-latest"),
        (GPU, {"FLASH_IMAGE_TAG": "1.2"}, "runpod/flash:py{python}-1.2"),
        (GPU, {"FLASH_GPU_IMAGE": "mine:1"}, "mine:1"),
        (CPU, {"FLASH_GPU_IMAGE": "mine:1"}, "runpod/flash-cpu:py{python}-latest"),
        (CPU, {"FLASH_CPU_IMAGE": "mine:2"}, "mine:2"),
        (GPU_LB, {"FLASH_GPU_IMAGE": "mine:1"}, "runpod/flash-lb:py{python}-latest"),
        (CPU_LB, {"FLASH_IMAGE_TAG": "1.2"}, "runpod/flash-lb-cpu:py{python}-1.2"),
        (GPU_LB, {"FLASH_LB_IMAGE": "mine:3"}, "mine:3"),
        (CPU_LB, {"FLASH_CPU_LB_IMAGE": "mine:4"}, "mine:4"),
    ],
)
def test_the_image_follows_kind_python_and_overrides(
    resource: ServerlessResource, process: dict[str, str], expected: str
) -> None:
    image = image_for(resource, Environment(process), live=True, python=(3, 12))
    assert image == expected.format(python="3.12")


def test_the_embedded_runpod_takes_the_official_image_whatever_replaces_it() -> None:
    image = image_for(GPU, Environment({"FLASH_GPU_IMAGE": "mine:1"}), live=False, python=(3, 12))
    assert image == "runpod/flash:py3.12-latest"


@pytest.mark.parametrize("python", [(3, 9), (3, 14)])
def test_live_needs_a_python_that_has_an_image(python: tuple[int, int]) -> None:
    with pytest.raises(SettingsError, match="FLASH_GPU_IMAGE"):
        image_for(GPU, Environment({}), live=True, python=python)
    assert image_for(GPU, Environment({}), live=False, python=python)
    assert image_for(GPU, Environment({"FLASH_GPU_IMAGE": "x"}), live=True, python=python) == "x"
