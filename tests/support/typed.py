"""Users' code for type checkers: lines that end with ``# wrong`` are errors, and no others."""

from __future__ import annotations

FUNCTIONS = """\
from collections.abc import Coroutine
from typing import Any, Literal

from pytest_flash import JobHandle, LiveServerless, RemoteFunction, remote

gpu = LiveServerless(name="x")

@remote(gpu, dependencies=["numpy"])
def add(a: int, b: int = 2) -> float:
    return a + b

@remote(gpu)
async def join(*parts: str) -> str:
    return "".join(parts)

async def _untyped(*args: Any) -> Any:
    return args

untyped: RemoteFunction[..., Any] = remote(gpu)(_untyped)

@remote(gpu)
class Model:
    def __init__(self, name: str) -> None:
        self.name = name

    async def predict(self, x: int) -> bytes:
        return b""

    async def __call__(self, x: int) -> str:
        return ""

    def plain(self, x: int) -> str:
        return ""

@remote(gpu)
def every(a: int, /, b: str = "", *rest: int, c: bool, **more: float) -> list[int]:
    return []

async def main() -> None:
    total: float = await add(1, b=2)
    text: str = await join("a", "b")
    handle: JobHandle[float] = await add.spawn(1)
    result: float = await handle.result(timeout=1.0)
    state: Literal[
        "IN_QUEUE", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"
    ] = await handle.status()
    async for each in add.map([1, 2], concurrency=2):
        rounded: int = round(each)
    async for each in add.map([1], (2, 3)):
        rounded = round(each)
    async for joined in join.map({"a": 1}):
        text = joined
    async for joined in join.map(["a"], ["b"], ["c"], concurrency=1):
        text = joined
    async for got in untyped.map([1]):
        print(got)
    prediction: bytes = await Model("m").predict(1)
    called: str = await Model("m")(1)
    numbers: list[int] = await every(1, "x", 2, 3, c=True, more=1.0)

here: float = add.local(1, 2)
coming: Coroutine[Any, Any, str] = join.local("a")
blocked: str = join.blocking("a")

async def wrong() -> None:
    await add("1")  # wrong
    await add(1, c=2)  # wrong
    a: str = await add(1)  # wrong
    await join(1)  # wrong
    b: str = await (await add.spawn(1)).result()  # wrong
    await add.spawn()  # wrong
    add.local("1")  # wrong
    c: str = join.local('a')  # wrong
    add.blocking(b=1)  # wrong
    await Model("m").predict("x")  # wrong
    Model(1)  # wrong
    # Declared without async: what a type checker sees of a class is the class.
    await Model("m").plain(1)  # wrong
    await every(a=1, c=True)  # wrong
    await every(1, "x", "y", c=True)  # wrong
    await every(1)  # wrong
    await every(1, c=True, d='x')  # wrong
    add.map(["1"])  # wrong
    add.map([1], ["2"])  # wrong
    add.map(1)  # wrong
    add.map()  # wrong
    join.map([b"a"])  # wrong
    every.map([1])  # wrong
    if (await (await add.spawn(1)).status()) == "DONE":  # wrong
        pass
    remote(gpu, dependences=[])  # wrong
"""

RESOURCES = """\
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
LiveServerless(name="x", workersMaxx=2)  # wrong
CpuLiveServerless(name="x", gpus=[])  # wrong
LiveServerless()  # wrong
CpuLiveLoadBalancer(name="x", gpus=[])  # wrong
LiveServerless(name="x", workersMax="two")  # wrong
NetworkVolume(name="v", id=5)  # wrong
"""

APP = """\
from fastapi import FastAPI
from pytest_flash import LiveServerless, remote

app = FastAPI()


@remote(LiveServerless(name="gpu"))
def double(x: int) -> int:
    return x * 2


@app.get("/double/{x}")
async def doubled(x: int) -> int:
    return await double(x)
"""

# Every fixture and every type that tests may name. It is run, too.
EVERYTHING = """\
import dataclasses

import httpx
import pytest
from fastapi import FastAPI
from main import app, double
from pytest_flash.testing import (
    EmulatorControl,
    EndpointReport,
    Endpoints,
    FlashConfig,
    FlashSession,
    Job,
    JobReport,
    Jobs,
    Server,
    Stub,
    WorkerReport,
)


@pytest.fixture(scope="session")
def flash_config(flash_config: FlashConfig) -> FlashConfig:
    return dataclasses.replace(flash_config, startup_timeout=30.0)


@pytest.fixture(scope="session")
def flash_app(flash_session: FlashSession) -> FastAPI:
    assert not flash_session.target.is_live
    return app


def fake(x: int) -> int:
    return 7


def test_everything(
    flash_app: FastAPI,
    flash_endpoints: Endpoints,
    flash_server: Server,
    flash_client: httpx.Client,
    flash_async_client: httpx.AsyncClient,
    flash_jobs: Jobs,
    flash_emulator: EmulatorControl,
) -> None:
    assert flash_server.app is flash_app
    stub: Stub = flash_endpoints.stub(double, fake)
    assert flash_client.get("/double/1").json() == 7
    assert str(flash_async_client.base_url).startswith(flash_server.url)
    job: Job = flash_jobs.of(double)[0]
    status: str | None = job.status
    assert status == "COMPLETED" and job.stubbed
    stub.undo()
    report: EndpointReport = flash_emulator.endpoints()[0]
    workers: tuple[WorkerReport, ...] = report.workers
    jobs: tuple[JobReport, ...] = report.jobs
    assert (report.name, jobs) == ("live-gpu", ()), workers
    name: str = flash_endpoints["gpu"].name
    assert name == "live-gpu"
"""

WRONG_STUB = """\
from main import double
from pytest_flash.testing import Endpoints


def fake(x: int) -> bytes:
    return b""


def test_it(flash_endpoints: Endpoints) -> None:
    flash_endpoints.stub(double, fake)  # wrong
"""

CALLS = {"functions.py": FUNCTIONS, "resources.py": RESOURCES}
TESTS = {
    "shop.py": APP,
    "test_right.py": EVERYTHING.replace("from main ", "from shop "),
    "test_wrong.py": WRONG_STUB.replace("from main ", "from shop "),
}


def marked(source: str) -> set[int]:
    """The lines of ``source`` that are said to be wrong."""
    lines = enumerate(source.splitlines(), 1)
    return {number for number, line in lines if line.endswith("# wrong")}
