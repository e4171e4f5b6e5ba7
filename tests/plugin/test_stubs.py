"""``flash_endpoints.stub`` beyond a plain function: classes, spawn and map, what it may import."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.downstream import Project

Passes = Callable[..., None]

APP = """\
from fastapi import FastAPI
from pytest_flash import CpuLiveLoadBalancer, CpuLiveServerless, remote

app = FastAPI()
cpu = CpuLiveServerless(name="cpu")

@remote(cpu)
class Model:
    def __init__(self, name):
        self.name = name

    def predict(self, x):
        return f"{self.name}: {x}"

    def train(self):
        return "trained"

@remote(cpu)
def one(x):
    return 1

@remote(cpu)
def two(x):
    return 2

@remote(CpuLiveLoadBalancer(name="lb"), method="POST", path="/three")
def three(x: int):
    return 3

@app.get("/predict/{x}")
async def predict(x: int):
    return await Model("real").predict(x)
"""


def test_classes_and_every_way_to_call(project: Project, passes: Passes) -> None:
    project.write("main.py", APP)
    project.write(
        "test_app.py",
        """
import asyncio
import pytest
import main
from pytest_flash.errors import ConfigurationError

class Fake:
    def __init__(self, name):
        self.name = name
        self.calls = 0

    async def predict(self, x):
        self.calls += 1
        return f"fake {self.name}: {x}, {self.calls}"

def fake(x):
    return ["fake", x]

def test_a_class(flash_client, flash_endpoints, flash_jobs):
    with flash_endpoints.stub(main.Model, Fake):
        assert flash_client.get("/predict/1").json() == "fake real: 1, 1"
        assert flash_client.get("/predict/1").json() == "fake real: 1, 2"
        with pytest.raises(ConfigurationError, match="Model.train was called, and Fake"):
            asyncio.run(main.Model("real").train())
    assert flash_client.get("/predict/2").json() == "real: 2"
    assert [job.stubbed for job in flash_jobs.of(main.Model)] == [True, True, False]
    assert {job.function for job in flash_jobs} == {"Model.predict"}
    assert len(flash_jobs.of(main.one)) == 0

def test_a_class_takes_a_class(flash_endpoints):
    with pytest.raises(ConfigurationError, match="must be a class"):
        flash_endpoints.stub(main.Model, fake)

def test_one_replacement_for_two_functions(flash_endpoints, flash_jobs):
    flash_endpoints.stub(main.one, fake)
    flash_endpoints.stub(main.two, fake)
    assert asyncio.run(main.one(5)) == asyncio.run(main.two(5)) == ["fake", 5]
    assert [job.function for job in flash_jobs] == ["one", "two"]

def test_spawn_map_and_load_balancers(flash_endpoints, flash_jobs):
    flash_endpoints.stub(main.one, fake)
    flash_endpoints.stub(main.three, fake)
    async def calls():
        handle = await main.one.spawn(1)
        mapped = [each async for each in main.one.map([2, 3])]
        return [await handle.result(), *mapped, await main.three(4)]
    assert asyncio.run(calls()) == [["fake", x] for x in (1, 2, 3, 4)]
    assert all(job.stubbed for job in flash_jobs) and len(flash_jobs) == 4

def test_dependencies(flash_endpoints):
    def click_version(x):
        import click
        return click.__name__
    with pytest.raises(ModuleNotFoundError, match="click.* to flash_endpoints.stub of click_ver"):
        with flash_endpoints.stub(main.one, click_version):
            asyncio.run(main.one(1))
    with flash_endpoints.stub(main.one, click_version, dependencies=["click"]):
        assert asyncio.run(main.one(1)) == "click"
    with pytest.raises(ConfigurationError, match="must be a list"):
        flash_endpoints.stub(main.one, click_version, dependencies="click")
""",
    )
    passes(project.pytest(), passed=5)
