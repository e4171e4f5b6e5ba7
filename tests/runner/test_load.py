"""Finding the app in a module, in a process of its own for each case."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """\
import sys
from pathlib import Path
from pytest_flash.errors import AppError
from pytest_flash.runner.load import load
from pytest_flash.runner.locate import locate
try:
    loaded = load(locate(sys.argv[1] or None, Path.cwd()))
except AppError as error:
    print(f"{type(error).__name__}: {error}")
else:
    print(loaded.name, type(loaded.app).__name__, sys.path[0])
"""


def load(folder: Path, source: str, app: str = "", name: str = "main.py") -> str:
    (folder / name).write_text(source)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, app],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("name", ["app", "api", "whatever"])
def test_an_instance_of_any_name_is_found(tmp_path: Path, name: str) -> None:
    out = load(tmp_path, f"from fastapi import FastAPI\n{name} = FastAPI()\n")
    assert out.strip() == f"main:{name} FastAPI {tmp_path}"


def test_the_same_instance_under_two_names_is_one_app(tmp_path: Path) -> None:
    assert load(tmp_path, "from fastapi import FastAPI\na = b = FastAPI()\n").startswith("main:a ")


def test_a_mounted_app_is_no_second_candidate(tmp_path: Path) -> None:
    source = "from fastapi import FastAPI\nadmin = FastAPI()\napp = FastAPI()\n"
    out = load(tmp_path, source + "app.mount('/admin', admin)\n")
    assert out.startswith("main:app ")


@pytest.mark.parametrize(
    "factory",
    [
        "def build() -> FastAPI:\n    return FastAPI()\n",
        "def build() -> 'FastAPI':\n    return FastAPI()\n",
        "def create_app(debug=False):\n    return FastAPI()\n",
    ],
)
def test_a_factory_is_called(tmp_path: Path, factory: str) -> None:
    out = load(tmp_path, f"from fastapi import FastAPI\n{factory}")
    assert out.startswith("main:")
    assert " FastAPI " in out


def test_a_named_factory_may_have_parentheses(tmp_path: Path) -> None:
    source = "from fastapi import FastAPI\na = FastAPI()\ndef other():\n    return FastAPI()\n"
    assert load(tmp_path, source, "main:other()").startswith("main:other() FastAPI")


def test_a_named_attribute_may_be_any_asgi_app(tmp_path: Path) -> None:
    source = "class Raw:\n    async def __call__(self, s, r, t): ...\nraw = Raw()\n"
    assert load(tmp_path, source, "main:raw").startswith("main:raw Raw")


def test_two_apps_are_refused_with_their_lines(tmp_path: Path) -> None:
    out = load(tmp_path, "from fastapi import FastAPI\none = FastAPI()\n\ntwo = FastAPI()\n")
    assert out.startswith("AmbiguousAppError")
    assert "main.py:2: one" in out
    assert "main.py:4: two" in out
    assert f"{tmp_path / 'main.py'}:one" in out


def test_no_app_says_what_to_do(tmp_path: Path) -> None:
    out = load(tmp_path, "x = 1\n")
    assert out.startswith("AppNotFoundError")
    assert "app = FastAPI()" in out


def test_a_missing_attribute_names_what_there_is(tmp_path: Path) -> None:
    out = load(tmp_path, "from fastapi import FastAPI\nserver = FastAPI()\n", "main:app")
    assert out.startswith("AppNotFoundError")
    assert "server" in out


def test_a_missing_module_is_named(tmp_path: Path) -> None:
    assert load(tmp_path, "", "shop.main:app").startswith("AppNotFoundError: no module 'shop.main'")


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
    tmp_path: Path, source: str, line: int, text: str
) -> None:
    out = load(tmp_path, source)
    assert out.startswith(f"AppImportError: {tmp_path / 'main.py'}:{line}: ")
    assert text in out
    assert "pytest_flash" not in out


def test_an_error_in_an_imported_router_names_the_router(tmp_path: Path) -> None:
    (tmp_path / "routers").mkdir()
    (tmp_path / "routers" / "users.py").write_text("\n\nraise KeyError('users')\n")
    out = load(tmp_path, "import routers.users\n")
    assert f"{tmp_path / 'routers' / 'users.py'}:3" in out.splitlines()[0]
