"""Finding the app in a module, in a process of its own for each case."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from pytest_flash.runner.app.load import load as load_app
from pytest_flash.runner.app.locate import locate
from tests.support.environment import clean_environment

# Each case in a fork of one process, which has imported what all of them need.
PROGRAM = """\
import json, os, signal, sys, traceback
from pathlib import Path
import fastapi
from pytest_flash.errors import AppError
from pytest_flash.runner.app.load import load
from pytest_flash.runner.app.locate import locate

def found(folder, app):
    os.chdir(folder)
    try:
        loaded = load(locate(app or None, Path.cwd()))
    except AppError as error:
        return f"{type(error).__name__}: {error}"
    return f"{loaded.name} {type(loaded.app).__name__} {sys.path[0]}"

for line in sys.stdin:
    reading, writing = os.pipe()
    if os.fork() == 0:
        signal.alarm(60)
        try:
            os.write(writing, found(*json.loads(line)).encode())
        except BaseException:
            os.write(writing, traceback.format_exc().encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as answer:
        print(json.dumps(answer.read()), flush=True)
    os.wait()
"""


class Load(Protocol):
    def __call__(self, source: str, app: str = "") -> str: ...


@pytest.fixture(scope="module")
def loader() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


@pytest.fixture
def load(loader: subprocess.Popen[str], tmp_path: Path) -> Load:
    """What is found in ``source``, as a file of ``tmp_path``."""

    def load(source: str, app: str = "") -> str:
        (tmp_path / "main.py").write_text(source)
        return load_in(loader, tmp_path, app)

    return load


def load_in(loader: subprocess.Popen[str], folder: Path, app: str = "") -> str:
    """What is found in ``folder``."""
    assert loader.stdin is not None
    assert loader.stdout is not None
    loader.stdin.write(json.dumps([str(folder), app]) + "\n")
    loader.stdin.flush()
    answer: str = json.loads(loader.stdout.readline())
    return answer


@pytest.mark.parametrize("name", ["app", "api", "whatever"])
def test_an_instance_of_any_name_is_found(load: Load, tmp_path: Path, name: str) -> None:
    out = load(f"from fastapi import FastAPI\n{name} = FastAPI()\n")
    assert out.strip() == f"main:{name} FastAPI {tmp_path}"


def test_the_same_instance_under_two_names_is_one_app(load: Load, tmp_path: Path) -> None:
    assert load("from fastapi import FastAPI\na = b = FastAPI()\n").startswith("main:a ")


def test_a_mounted_app_is_no_second_candidate(load: Load, tmp_path: Path) -> None:
    source = "from fastapi import FastAPI\nadmin = FastAPI()\napp = FastAPI()\n"
    out = load(source + "app.mount('/admin', admin)\n")
    assert out.startswith("main:app ")


@pytest.mark.parametrize(
    "factory",
    [
        "def build() -> FastAPI:\n    return FastAPI()\n",
        "def build() -> 'FastAPI':\n    return FastAPI()\n",
        "class Own(FastAPI): ...\ndef build() -> 'Own':\n    return FastAPI()\n",
        "def build() -> 'fastapi.FastAPI':\n    return FastAPI()\n",
        "from typing import Annotated\ndef build() -> Annotated[FastAPI, 1]: return FastAPI()\n",
        "def build(depth: 'Elsewhere' = 0) -> 'FastAPI':\n    return FastAPI()\n",
        "def create_app(debug=False):\n    return FastAPI()\n",
    ],
)
def test_a_factory_is_called(load: Load, tmp_path: Path, factory: str) -> None:
    out = load(f"from fastapi import FastAPI\n{factory}")
    assert out.startswith("main:")
    assert " FastAPI " in out


@pytest.mark.parametrize("app", ["", "main:create_app"])
def test_an_asynchronous_factory_is_refused(load: Load, tmp_path: Path, app: str) -> None:
    out = load("from fastapi import FastAPI\nasync def create_app(): return FastAPI()\n", app)
    assert out.startswith("AppNotFoundError: ")
    assert f"{tmp_path / 'main.py'}:2: create_app is asynchronous" in out
    assert "lifespan" in out


def test_a_missing_folder_name_suggests_the_dotted_form(
    loader: subprocess.Popen[str], tmp_path: Path
) -> None:
    files = {"main": "import routes\n", "routes": "import shop.db\n", "db": ""}
    for name, text in files.items():
        path = tmp_path / "src" / "shop" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    out = load_in(loader, tmp_path, "src/shop/main.py")
    assert f"name the app as shop.main:app, in {tmp_path / 'src'} or with --app-dir" in out


def test_a_named_factory_may_have_parentheses(load: Load, tmp_path: Path) -> None:
    source = "from fastapi import FastAPI\na = FastAPI()\ndef other():\n    return FastAPI()\n"
    assert load(source, "main:other()").startswith("main:other() FastAPI")


def test_a_named_attribute_may_be_any_asgi_app(load: Load, tmp_path: Path) -> None:
    source = "class Raw:\n    async def __call__(self, s, r, t): ...\nraw = Raw()\n"
    assert load(source, "main:raw").startswith("main:raw Raw")


def test_two_apps_are_refused_with_their_lines(load: Load, tmp_path: Path) -> None:
    out = load("from fastapi import FastAPI\none = FastAPI()\n\ntwo = FastAPI()\n")
    assert out.startswith("AmbiguousAppError")
    assert "main.py:2: one" in out
    assert "main.py:4: two" in out
    assert f"{tmp_path / 'main.py'}:one" in out


def test_no_app_says_what_to_do(load: Load, tmp_path: Path) -> None:
    out = load("x = 1\n")
    assert out.startswith("AppNotFoundError")
    assert "app = FastAPI()" in out


def test_a_missing_attribute_names_what_there_is(load: Load, tmp_path: Path) -> None:
    out = load("from fastapi import FastAPI\nserver = FastAPI()\n", "main:app")
    assert out.startswith("AppNotFoundError")
    assert "server" in out


def test_a_missing_module_is_named(load: Load, tmp_path: Path) -> None:
    assert load("", "shop.main:app").startswith("AppNotFoundError: no module 'shop.main'")


@pytest.mark.parametrize(
    ("source", "line", "text"),
    [
        ("x = 1\nimport no_such_module\n", 2, "ModuleNotFoundError: No module named 'no_such"),
        ("x = 1\n\ndef broken(:\n", 3, "SyntaxError"),
        ("def f():\n    return 1 / 0\nf()\n", 2, "ZeroDivisionError"),
        ("import sys\nsys.exit(3)\n", 2, "SystemExit"),
        ("import argparse\nargparse.ArgumentParser().parse_args(['x'])\n", 2, "SystemExit"),
        ("import json\n\njson.loads('{')\n", 3, "JSONDecodeError"),
        ("from fastapi import FastAPI\ndef create_app():\n    raise OSError('no')\n", 3, "OSError"),
    ],
)
def test_a_module_that_raises_is_shown_with_its_line(
    load: Load, tmp_path: Path, source: str, line: int, text: str
) -> None:
    out = load(source)
    assert out.startswith(f"AppImportError: {tmp_path / 'main.py'}:{line}: ")
    assert text in out
    assert "pytest_flash" not in out


def test_an_error_in_an_imported_router_names_the_router(load: Load, tmp_path: Path) -> None:
    (tmp_path / "routers").mkdir()
    (tmp_path / "routers" / "users.py").write_text("\n\nraise KeyError('users')\n")
    out = load("import routers.users\n")
    assert f"{tmp_path / 'routers' / 'users.py'}:3" in out.splitlines()[0]


CHECKS = """
import sys
import {own} as whole
import main as alone
from {own} import app as named
assert whole is alone is sys.modules[__name__], (whole, alone, __name__)
assert __spec__.name == __name__
import extra
assert extra.again is whole
"""
PACKAGES = {
    "uses its folder": ("shop", "from workers import gpu\nimport extra\n", "main:app"),
    "uses its package": ("pkg", "from . import helper\nfrom workers import gpu\n", "pkg.main:app"),
    "uses its package of no identifier": ("02-app", "from . import helper\n", "02-app.main:app"),
}


@pytest.mark.parametrize("name", PACKAGES)
def test_an_app_that_is_a_part_of_a_package(
    loader: subprocess.Popen[str], tmp_path: Path, name: str
) -> None:
    folder, imports, found = PACKAGES[name]
    checks = CHECKS.format(own=f"{folder}.main") if found == "pkg.main:app" else ""
    files = {
        "__init__.py": "",
        "main.py": f"{imports}from fastapi import FastAPI\napp = FastAPI()\n{checks}",
        "helper.py": "import extra\n",
        "extra.py": f"import importlib\nagain = importlib.import_module('{folder}.main')\n"
        f"assert again is importlib.import_module('main')\n",
        "workers/__init__.py": "",
        "workers/gpu.py": "",
    }
    for each, text in files.items():
        path = tmp_path / folder / each
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    answer = load_in(loader, tmp_path / folder)
    assert answer.startswith(f"{found} FastAPI "), answer


def test_a_link_to_the_apps_file_is_the_module_that_tests_have_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a folder of links to files elsewhere, which Bazel makes for tests."""
    source, links = tmp_path / "source.py", tmp_path / "links"
    source.write_text("from fastapi import FastAPI\napp = FastAPI()\n")
    links.mkdir()
    (links / "server.py").symlink_to(source)
    monkeypatch.delitem(sys.modules, "server", raising=False)
    monkeypatch.syspath_prepend(links)
    imported = importlib.import_module("server")
    assert load_app(locate(None, links)).app is imported.app
