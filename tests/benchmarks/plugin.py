"""The pytest plugin: what it costs a run that does not use it, and one that does."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.measure import machine, quantile, table
from tests.support.environment import clean_environment

_NO_BYTECODE = {"PYTHONDONTWRITEBYTECODE": "1"}
# Only ours differs: the others' cost would drown it.
_QUIET = (
    "-p",
    "no:cacheprovider",
    "-p",
    "no:asyncio",
    "-p",
    "no:xdist",
    "-p",
    "no:hypothesispytest",
)

_APP = """\
from fastapi import FastAPI
from pytest_flash import CpuLiveServerless, LiveServerless, remote

app = FastAPI()

@remote(LiveServerless(name="gpu"))
def double(x):
    return x * 2

@remote(CpuLiveServerless(name="cpu"))
def triple(x):
    return x * 3

@app.get("/")
def index():
    return "ready"

@app.get("/double/{x}")
async def doubled(x: int):
    return await double(x)
"""

# Writes down how long each test took, set up and torn down.
_CONFTEST = """\
import json, time
from collections import defaultdict

took = defaultdict(float)

def pytest_runtest_logreport(report):
    took[report.nodeid] += report.duration

def pytest_sessionfinish():
    with open("took.json", "w") as file:
        json.dump(list(took.values()), file)
"""

_TESTS = """\
import time
import pytest

def test_ready(request):
    started = time.perf_counter()
    client = request.getfixturevalue("flash_client")
    assert client.get("/").json() == "ready"
    with open("ready", "w") as file:
        file.write(str(time.perf_counter() - started))

def test_first_call(flash_client):
    assert flash_client.get("/double/1").json() == 2

@pytest.mark.parametrize("x", range({count}))
def test_warm(flash_client, x):
    assert flash_client.get(f"/double/{{x}}").json() == 2 * x
"""

_ALONE = tuple(f"-pno:{name}" for name in ("cacheprovider", "asyncio", "hypothesispytest", "anyio"))
_TEST_CLIENT = """
import main
from fastapi.testclient import TestClient

@pytest.fixture(scope="session")
def client():
    with TestClient(main.app) as client:
        yield client
"""
_TWELVE = """\
import pytest
{fixture}
@pytest.mark.parametrize("number", range(12))
def test_ready({client}, number):
    assert {client}.get("/").json() == "ready"
"""

_IMPORT = (
    "import time, pytest; started = time.perf_counter(); import pytest_flash.plugin; "
    "print(time.perf_counter() - started)"
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument("--runs", type=int, default=21, help="of each kind, interleaved")
    parser.add_argument("--rounds", type=int, default=7, help="of sessions beside TestClient")
    parser.add_argument("--tests", type=int, default=500, help="that call one warm function")


def run(options: argparse.Namespace) -> str:
    """Measure, and show it as Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        parts = [
            "### The plugin, unused\n",
            _unused(Path(folder), options.runs),
            "\n### The plugin, used\n",
            _used(Path(folder), options.tests),
            "\n### Twelve tests, beside FastAPI's TestClient\n",
            _beside(Path(folder), options.rounds),
            f"\n{machine()}.",
        ]
    return "\n".join(parts)


@dataclass(frozen=True)
class _Cost:
    """Of one process, in seconds; ``cpu`` is user and system time, which others disturb less."""

    wall: float
    cpu: float


def _unused(folder: Path, runs: int) -> str:
    empty = folder / "empty"
    empty.mkdir()
    rows = []
    for name, variables in (("bytecode kept", {}), ("PYTHONDONTWRITEBYTECODE=1", _NO_BYTECODE)):
        without: list[_Cost] = []
        having: list[_Cost] = []
        imports: list[float] = []
        for _ in range(runs):
            without.append(_collect(empty, variables, "-pno:flash"))
            having.append(_collect(empty, variables))
            imports.append(_import(empty, variables))
        wall = [statistics.median(each.wall for each in costs) for costs in (without, having)]
        cpu = [statistics.median(each.cpu for each in costs) for costs in (without, having)]
        figures = (*wall, wall[1] - wall[0], *cpu, cpu[1] - cpu[0], statistics.median(imports))
        rows.append((name, *map(_ms, figures)))
    header = (
        "median, ms",
        "`-p no:flash`",
        "with it",
        "difference",
        "CPU without",
        "CPU with it",
        "difference",
        "import after pytest",
    )
    return table(header, rows)


def _collect(folder: Path, variables: dict[str, str], *arguments: str) -> _Cost:
    return _cost(folder, variables, "--collect-only", *_QUIET, *arguments)


def _cost(folder: Path, variables: dict[str, str], *arguments: str) -> _Cost:
    command = [sys.executable, "-m", "pytest", "-q", *arguments]
    started = time.perf_counter()
    with subprocess.Popen(
        command,
        cwd=folder,
        env=clean_environment(**variables),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        _, process.returncode, usage = os.wait4(process.pid, 0)
    return _Cost(time.perf_counter() - started, usage.ru_utime + usage.ru_stime)


def _import(folder: Path, variables: dict[str, str]) -> float:
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT],
        cwd=folder,
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def _used(folder: Path, count: int) -> str:
    project = folder / "project"
    project.mkdir()
    (project / "main.py").write_text(_APP)
    (project / "conftest.py").write_text(_CONFTEST)
    (project / "test_app.py").write_text(_TESTS.format(count=count))
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *_QUIET],
        cwd=project,
        env=clean_environment(),
        capture_output=True,
        check=True,
    )
    whole = time.perf_counter() - started
    ready = float((project / "ready").read_text())
    warm: Sequence[float] = json.loads((project / "took.json").read_text())[2:]
    rows = [
        ("first fixture request to the app's first answer, two endpoints", f"{ready:.2f} s"),
        ("a test that calls one warm function over HTTP, median", f"{_ms(quantile(warm, 0.5))} ms"),
        ("the same, 99th percentile", f"{_ms(quantile(warm, 0.99))} ms"),
        (f"{count} such tests, set up and torn down", f"{sum(warm):.2f} s"),
        ("the whole run, from its command to its end", f"{whole:.2f} s"),
    ]
    return table(("", "took"), rows)


def _beside(folder: Path, rounds: int) -> str:
    """Sessions of the same tests of an app without calls, interleaved."""
    project = folder / "beside"
    project.mkdir()
    (project / "main.py").write_text(_APP)
    (project / "test_flash.py").write_text(_TWELVE.format(fixture="", client="flash_client"))
    fixture = _TEST_CLIENT
    (project / "test_client.py").write_text(_TWELVE.format(fixture=fixture, client="client"))
    rows = []
    for name, arguments in (("-n0", ("-pno:xdist",)), ("-n4", ("-n4",))):
        taken: dict[str, list[_Cost]] = {"test_client.py": [], "test_flash.py": []}
        for _ in range(rounds):
            for file, costs in taken.items():
                costs.append(_cost(project, {}, *_ALONE, *arguments, file))
        wall = [statistics.median(each.wall for each in costs) for costs in taken.values()]
        cpu = [statistics.median(each.cpu for each in costs) for costs in taken.values()]
        figures = (*wall, wall[1] - wall[0], *cpu, cpu[1] - cpu[0])
        rows.append((name, *(f"{each:.2f}" for each in figures)))
    header = (
        *("median, s", "TestClient", "flash_client", "difference"),
        *("CPU, TestClient", "CPU, flash_client", "difference"),
    )
    return table(header, rows)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f}"
