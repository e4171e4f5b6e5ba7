"""Our remote functions on the official worker: the tests of a project with an image of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conformance.conftest import HERE
from tests.support.environment import clean_environment

APP = """
from dataclasses import dataclass

from fastapi import FastAPI
from pytest_flash import CpuLiveServerless, PodTemplate, remote

app = FastAPI()
resource = CpuLiveServerless(
    name="official", template=PodTemplate(imageName="official/functions"), workersMax=1
)
calls = 0


@dataclass
class Pair:
    first: int
    second: int


class Refused(Exception):
    def __init__(self, number):
        super().__init__(f"refused {number}")
        self.number = number


def helper(x):
    return x + 1


@remote(resource)
async def pair(x: int) -> Pair:
    print("pairing", x)
    return Pair(x, helper(x))


@remote(resource)
def count() -> int:
    global calls
    calls += 1
    return calls


@remote(resource)
def refuse(number):
    raise Refused(number)


@app.get("/pair/{x}")
async def get_pair(x: int):
    found = await pair(x)
    assert isinstance(found, Pair)
    return found


@app.get("/count")
async def get_count():
    return [await count() for _ in range(3)]


@app.get("/refused/{number}")
async def get_refused(number: int):
    try:
        await refuse(number)
    except Refused as error:
        return {"number": error.number, "text": str(error)}
"""

WORK = """
from .main import resource
from pytest_flash import remote

from .units import K

KNOWN = {}


class Shape:
    def __init_subclass__(cls):
        KNOWN[cls.__name__] = cls


class Square(Shape):
    def area(self, x):
        return K * x * x


@remote(resource)
def area(name, x):
    return KNOWN[name]().area(x)
"""

TESTS = """
import asyncio

import app
from pytest_flash import remote


def test_a_package_that_imports_the_web_half(flash_client):
    assert app.area.blocking("Square", 3) == 18


def test_a_class_of_a_function(flash_client):
    @remote(app.resource)
    class Counter:
        def __init__(self, start):
            self.at = start

        async def next(self):
            self.at += 1
            return self.at

    async def calls():
        return [await Counter(5).next(), await Counter(start=5).next(), await Counter(1).next()]

    assert asyncio.run(calls()) == [6, 7, 2]


def test_values_and_helpers(flash_client):
    assert flash_client.get("/pair/3").json() == {"first": 3, "second": 4}


def test_state_of_the_worker(flash_client):
    assert flash_client.get("/count").json() == [1, 2, 3]


def test_exceptions_keep_their_type(flash_client):
    assert flash_client.get("/refused/7").json() == {"number": 7, "text": "refused 7"}
"""


def test_a_projects_tests_pass_on_the_official_worker(official: Path, tmp_path: Path) -> None:
    package = tmp_path / "app"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from .work import area\nfrom .main import app, resource\n"
    )
    (package / "main.py").write_text(APP)
    (package / "units.py").write_text("K = 2\n")
    (package / "work.py").write_text(WORK)
    (tmp_path / "test_main.py").write_text(TESTS)
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "mine"\n[tool.pytest.ini_options]\naddopts = "-p no:cacheprovider"\n'
        'flash_app = "app.main:app"\n'
        f'[tool.flash.emulator.images]\n"official/functions" = "{official} {HERE}/'
        'reference_worker.py"\n'
    )
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n0", str(tmp_path)],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "5 passed" in run.stdout
