"""How the constructors look to a user's type checker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_GOOD = """
from pytest_flash.resources import *

gpu = LiveServerless(
    name="x",
    gpus=[GpuGroup.AMPERE_24, GpuType.NVIDIA_L4, "ADA_24"],
    workersMax=2,
    env={"A": "b"},
    datacenter=DataCenter.EU_RO_1,
    cudaVersions=[CudaVersion.V12_8],
    scalerType="REQUEST_COUNT",
    template=PodTemplate(env=[{"key": "a", "value": "b"}], ports="8888/http"),
    networkVolume=NetworkVolume(name="v", size=50, dataCenterId="EU-RO-1"),
)
cpu = CpuLiveServerless(name="x", instanceIds=[CpuInstanceType.CPU3C_2_4, "cpu3g-2-8"])
lb = LiveLoadBalancer(name="x", gpus=["ADA_24"], workersMax=2)
cpu_lb = CpuLiveLoadBalancer(name="x", instanceIds=["cpu3g-2-8"], scalerValue=8)
workers: int = gpu.workersMax
pools: tuple[GpuGroup | GpuType, ...] = gpu.gpus
"""
_BAD = [
    'LiveServerless(name="x", workersMaxx=2)',
    'CpuLiveServerless(name="x", gpus=[])',
    "LiveServerless()",
    'CpuLiveLoadBalancer(name="x", gpus=[])',
    'LiveServerless(name="x", workersMax="two")',
    'NetworkVolume(name="v", id=5)',
]


@pytest.mark.parametrize("plugins", ["", "plugins = pydantic.mypy"], ids=["plain", "plugin"])
def test_mypy_knows_the_constructors(tmp_path: Path, plugins: str) -> None:
    source = tmp_path / "user.py"
    source.write_text(_GOOD + "\n".join(_BAD) + "\n")
    (tmp_path / "mypy.ini").write_text(f"[mypy]\nstrict = true\n{plugins}\n")
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", source.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    first_bad = _GOOD.count("\n") + 1
    wrong = {line.split(":")[1] for line in ran.stdout.splitlines() if ": error:" in line}
    expected = {str(first_bad + index) for index in range(len(_BAD))}
    assert wrong == expected, ran.stdout + ran.stderr
