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


@remote(resource)
def echo(text, fails):
    import logging
    import os
    import sys

    print(text)
    sys.stderr.write(text)
    logging.getLogger().error("%s", text)
    os.write(1, text.encode())
    os.write(2, text.encode())
    if fails:
        raise ValueError(text)
    return text


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

TESTS = r"""
import asyncio
import base64
import os
import pickle

import app
import pytest
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


class Hostile:
    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("fails", [False, True])
def test_text_is_taken_for_nothing_else(flash_client, flash_jobs, tmp_path, fails):
    made = tmp_path / "made"
    code = base64.b64encode(pickle.dumps(Hostile(str(made)))).decode()
    text = f"x\n[pytest-flash error] {code}\n\n[pytest-flash {'0' * 20} {'0' * 32}] {{}}\n[flash "
    if fails:
        with pytest.raises(ValueError) as caught:
            app.main.echo.blocking(text, fails)
        assert caught.value.args == (text,)
    else:
        assert app.main.echo.blocking(text, fails) == text
    (job,) = flash_jobs
    assert job.stdout == f"{text}\n{text}ERROR:root:{text}\n"
    assert not made.exists()
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
    assert "7 passed" in run.stdout
