"""Small apps in the shapes that projects of the official SDK have, with only their imports changed.

By default one app serves them all, each below the name of its folder, once for ``flash run`` and
once for pytest. With ``--soak`` each runs alone as well, in both.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.environment import ROOT, clean_environment
from tests.support.runs.flash_run import FlashRun, starting

HERE = ROOT / "tests" / "apps" / "official"
# Where a worker has the volume's folder at the path that it has on Runpod.
_MOUNTS = sys.platform == "linux" and os.geteuid() == 0
_IMPORT = re.compile(r"^from runpod_flash import", re.MULTILINE)

# Serves each folder beside it that has a main.py.
ALL = """\
import importlib, sys
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from fastapi import FastAPI

APPS = {}
for folder in sorted(Path(__file__).parent.iterdir()):
    if (folder / "main.py").is_file():
        sys.path.append(str(folder))
        APPS[folder.name] = importlib.import_module(f"{folder.name}.main").app

@asynccontextmanager
async def lifespan(_):
    async with AsyncExitStack() as stack:
        for each in APPS.values():
            await stack.enter_async_context(each.router.lifespan_context(each))
        yield

app = FastAPI(lifespan=lifespan)
for name, each in APPS.items():
    app.mount(f"/{name}", each)
"""

TESTS = """\
import json, pathlib, pytest

APPS = json.loads(pathlib.Path(__file__).with_name("requests.json").read_text())

@pytest.mark.parametrize("name", APPS)
def test_it_answers(flash_client, name):
    for method, path, body, expected in APPS[name]:
        answer = flash_client.request(method, path, json=body)
        assert (answer.status_code, answer.json()) == (200, expected), answer.text
"""

IMPORTS = """\
import main
from greeting_words import greeting

def test_it_is_one_app(flash_app):
    assert flash_app is main.app
    assert greeting("hi") == "hi from the worker"
"""


@dataclass(frozen=True)
class Request:
    """A request of an app, and what is answered."""

    path: str
    answer: Any
    body: Any = None

    def below(self, prefix: str) -> list[Any]:
        """As the inner tests take it."""
        method = "GET" if self.body is None else "POST"
        return [method, f"{prefix}{self.path}", self.body, self.answer]


SHAPES = {
    "01_init-beside": (
        Request("/ping", {"status": "healthy"}),
        Request("/gpu/greet", {"greeting": "hi from the worker"}, {"message": "hi"}),
    ),
    "relative_parts": (Request("/scaled/2", {"here": 6, "there": 6}),),
    "workers_in_packages": (
        Request("/pipeline", {"words": 2}, {"text": " two   words"}),
        Request("/gpu/count?text=a%20b%20c", 3),
        Request("/cpu/tidy?text=%20a%20%20b", "a b"),
    ),
    "looks_at_modules": (Request("/look", {"module": "worker", "nowhere": None}),),
    "class_as_type": (
        Request("/predict?text=abc", {"model": "small", "length": 3, "first": None}),
        Request("/large?text=abcd", {"model": "large", "length": 4, "first": None}),
    ),
    "instances_passed": (Request("/longest?text=a-bcd-ef", {"longest": "bcd", "count": 3}),),
    "wrapped_functions": (
        Request(
            "/odd/3", {"direct": {"attempt": 0, "value": 3}, "through": {"attempt": 0, "value": 3}}
        ),
    ),
    "loads_by_path": (
        Request("/01-first/run/1", "first 1"),
        Request("/02-second/run/2", "second 2"),
    ),
    "runs_as_script": (Request("/both", ["gpu route", "cpu route"]),),
    "pools_of_processes": (Request("/squares", [1, 4, 9], [1, 2, 3]),),
    "finds_plugins": (Request("/process?text=abc", "ABC!"),),
    "as_dependencies": (
        Request("/direct?x=3", 6),
        Request("/depends?x=3&y=1", [6, 6]),
        Request("/background", True),
        Request("/done", [8]),
    ),
    "other_data_centers": (Request("/both/Word", ["WORD", "word"]),),
    "endpoint_decorator": (Request("/all/21", {"double": 42, "length": 4, "factor": 2}),),
    "gpus_by_id": (Request("/compute/3/4", {"sum": 7, "product": 12}),),
    "official_names": (Request("/names", {"count": 4, "deployed": False}),),
    "one_vcpu": (Request("/hello", {"message": "Hello, Ada!"}, {"name": "Ada"}),),
    "fields_set_later": (Request("/settings", {"LEVEL": "7", "RUNPOD_API_KEY": None}),),
    "pod_template": (Request("/mode", {"mode": "fast"}),),
    "network_volume": (
        Request("/remember/apple", {"note": "apple"} if _MOUNTS else {"error": True}),
    ),
    "balanced_routes": (
        Request("/transform", {"text": "ABC", "operation": "upper"}, {"text": "abc"}),
        Request("/workers", {"status": "healthy"}),
    ),
    "many_at_once": (
        Request(
            "/scores", [{"text": "a", "score": 0.5}, {"text": "bcd", "score": 1.5}], ["a", "bcd"]
        ),
        Request("/best", {"text": "bcd", "score": 3.0}, ["a", "bcd"]),
    ),
    "errors_as_answers": (
        Request("/root/4", {"root": 2.0}),
        Request("/root/-1", {"refused": -1, "why": "-1 is out of range"}),
        Request("/root/5", {"missing": 5}),
    ),
    "typed_messages": (
        Request(
            "/orders",
            {
                "order": {"item": "tea", "count": 2, "priority": "high", "wanted": None},
                "ready": "2024-01-03",
            },
            {"item": "tea", "count": 2, "priority": "high"},
        ),
    ),
    "made_at_startup": (Request("/generate?prompt=abc", {"model": "tiny", "text": "cba"}),),
    "binary_results": (Request("/image/4", {"bytes": 16, "sum": "733c3869"}),),
    "routers_and_stages": (
        Request("/classify", {"count": 2, "report": "three"}, {"text": "One; three"}),
        Request("/clean/?text=A;b", ["a", "b"]),
        Request("/report/", "bcd", ["a", "bcd"]),
    ),
}

# What is warned of where it is defined, by the app.
WARNED = (
    ("one_vcpu", "'cpu3c-2-4' is used for 'cpu3c-1-2'"),
    ("gpus_by_id", "imageName is ignored"),
    ("pod_template", "volumeInGb is ignored"),
    ("pod_template", "@remote ignores hf_models_to_cache"),
    ("fields_set_later", "RUNPOD_API_KEY is left out of env"),
    ("other_data_centers", "EU-RO-1 is used for US-TX-3"),
    ("endpoint_decorator", "max_concurrency is ignored"),
)


def copied(source: Path, target: Path) -> None:
    """Copy an app; the line that imports the SDK is all that changes."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    for file in target.rglob("*.py"):
        file.write_text(_IMPORT.sub("from pytest_flash import", file.read_text()))


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of all shapes."""
    folder = tmp_path_factory.mktemp("shapes") / "project"
    folder.mkdir()
    for name in SHAPES:
        copied(HERE / name, folder / name)
    (folder / "main.py").write_text(ALL)
    return folder


@pytest.fixture(scope="module")
def served(together: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlashRun]:
    with starting(tmp_path_factory.mktemp("run")) as start:
        yield start("--no-reload", cwd=together)


def test_every_app_has_its_requests() -> None:
    apps = {each.parent.name for each in HERE.glob("*/main.py")}
    assert apps == SHAPES.keys()


@pytest.mark.parametrize("name", SHAPES)
def test_it_answers_beside_the_others(served: FlashRun, http: httpx.Client, name: str) -> None:
    assert answers(http, served.url, name, f"/{name}") == expected(name)


def test_all_pass_their_tests(together: Path) -> None:
    printed = passes(together, {name: f"/{name}" for name in SHAPES})
    lines = [line for line in printed.splitlines() if "FlashWarning" in line]
    for name, text in WARNED:
        assert any(f"{name}/main.py" in line and text in line for line in lines), (name, printed)


def test_tests_import_what_the_app_imports_also_where_its_folder_is_a_package(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "01_init-beside"
    copied(HERE / folder.name, folder)
    (folder / "test_imports.py").write_text(IMPORTS)
    passes(folder, {folder.name: ""}, more=1)


def test_each_serves_and_passes_alone(
    request: pytest.FixtureRequest, tmp_path: Path, http: httpx.Client
) -> None:
    names = SHAPES if request.config.getoption("soak") else ["relative_parts"]
    for name in names:
        folder = tmp_path / name
        copied(HERE / name, folder)
        with starting(tmp_path) as start:
            run = start("--no-reload", cwd=folder)
            assert answers(http, run.url, name, "") == expected(name), name
        if request.config.getoption("soak"):
            passes(folder, {name: ""})


def answers(http: httpx.Client, url: str, name: str, prefix: str) -> list[Any]:
    """What the app answers to its requests."""
    found = []
    for each in SHAPES[name]:
        method, path, body, _ = each.below(prefix)
        answer = http.request(method, f"{url}{path}", json=body, timeout=60)
        found.append(answer.json() if answer.status_code == 200 else answer.text)
    return found


def expected(name: str) -> list[Any]:
    """What it should answer."""
    return [each.answer for each in SHAPES[name]]


def passes(folder: Path, prefixes: dict[str, str], more: int = 0) -> str:
    """Run tests of these apps in their project's folder, and ``more`` that are there; what pytest
    prints."""
    requests = {name: [each.below(prefixes[name]) for each in SHAPES[name]] for name in prefixes}
    (folder / "test_requests.py").write_text(TESTS)
    (folder / "requests.json").write_text(json.dumps(requests))
    (folder / "pytest.ini").write_text("[pytest]\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio"],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(requests) + more} passed" in done.stdout
    return done.stdout
