"""Which modules a parent may import ahead, and how it notices that it may not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.environment import ROOT, clean_environment

PRELOAD = """\
import importlib, json, sys
from pathlib import Path
from pytest_flash.runner.reload.preload import Module, Preloader
root, names, environment, excluded = json.loads(sys.argv[1])
sys.path += [root + "/lib", root + "/project"]
preloader = Preloader(Path(root) / "project")
modules = [Module(name, f"{root}/lib/{name}.py") for name in names]
unfit = preloader.load(modules, environment, excluded)
print(json.dumps({
    "unfit": unfit and [unfit.name, unfit.reason],
    "loaded": [name for name in names if name in sys.modules],
    "seen": getattr(sys.modules.get("reads"), "SEEN", None),
    "path": sys.path[-2:],
    "environment": {name: __import__("os").environ.get(name) for name in environment},
    "changed": preloader.changed_file(),
}))
"""

LEARN = """\
import importlib, json, os, sys
from pathlib import Path
from pytest_flash.runner.reload.preload import Watch
root = sys.argv[1]
sys.path += [root + "/lib", root + "/project"]
watch = Watch(Path(root) / "project")
import main
print(json.dumps([module.name for module in watch.modules()]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("lib", "project"):
        (tmp_path / name).mkdir()
    (tmp_path / "project" / "settings.py").write_text("DEBUG = True\n")
    return tmp_path


def run(program: str, argument: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program, argument],
        env=clean_environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


def preload(
    folder: Path,
    *names: str,
    environment: dict[str, str] | None = None,
    excluded: tuple[str, ...] = (),
) -> dict[str, object]:
    arguments = [str(folder), names, environment or {}, excluded]
    answer: dict[str, object] = json.loads(run(PRELOAD, json.dumps(arguments)))
    return answer


def learn(folder: Path, main: str) -> list[str]:
    (folder / "project" / "main.py").write_text(main)
    names: list[str] = json.loads(run(LEARN, str(folder)))
    return names


def library(folder: Path, name: str, source: str) -> None:
    (folder / "lib" / f"{name}.py").write_text(source)


def test_a_plain_module_is_imported(folder: Path) -> None:
    library(folder, "plain", "X = 1\n")
    answer = preload(folder, "plain")
    assert answer["unfit"] is None
    assert answer["loaded"] == ["plain"]
    assert answer["changed"] is None


@pytest.mark.parametrize("listed", [("plain", "next"), ("next",)])
def test_one_that_is_saved_while_others_are_imported_is_noticed(
    folder: Path, listed: tuple[str, ...]
) -> None:
    library(folder, "plain", "X = 1\n")
    plain = folder / "lib" / "plain.py"
    library(
        folder,
        "next",
        f"import plain, pathlib\npathlib.Path({str(plain)!r}).write_text('X = 2 # saved')\n",
    )
    answer = preload(folder, *listed)
    assert answer["unfit"] is None
    assert answer["loaded"] == list(listed)
    assert answer["changed"] == str(plain)


def test_one_of_the_users_own_comes_from_its_source(folder: Path) -> None:
    library(folder, "reads", "SEEN = 1\n")
    preload(folder, "reads")
    file = folder / "lib" / "reads.py"
    stamp = file.stat()
    file.write_text("SEEN = 2\n")
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert preload(folder, "reads")["seen"] == 2


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (
            "import threading, time\nthreading.Thread(target=time.sleep, args=(9,), daemon=True)"
            ".start()\n",
            "thread",
        ),
        ("FILE = open(__file__)\n", "file or socket"),
        ("import socket\nS = socket.socket()\n", "file or socket"),
        ("import settings\n", "'settings', which is the project's"),
        ("try:\n    import settings\nexcept ImportError:\n    pass\n", "the project's"),
        ("raise RuntimeError('not alone')\n", "RuntimeError: not alone"),
        ("import sys\nsys.exit(3)\n", "SystemExit"),
    ],
)
def test_what_leaves_something_behind_is_unfit(folder: Path, source: str, reason: str) -> None:
    library(folder, "odd", source)
    answer = preload(folder, "odd")
    assert isinstance(answer["unfit"], list)
    name, told = answer["unfit"]
    assert name == "odd"
    assert reason in told


def test_an_excluded_one_is_left_out(folder: Path) -> None:
    library(folder, "odd", "raise RuntimeError\n")
    library(folder, "plain", "X = 1\n")
    answer = preload(folder, "odd", "plain", excluded=("odd",))
    assert answer["unfit"] is None
    assert answer["loaded"] == ["plain"]


def test_one_that_is_found_elsewhere_is_left_out(folder: Path) -> None:
    # The app has it in a folder that it adds to its path itself.
    answer = preload(folder, "json", "nowhere")
    assert answer["unfit"] is None


def test_it_sees_what_dotenv_sets_and_nothing_is_left_of_it(folder: Path) -> None:
    library(folder, "reads", "import os\nSEEN = os.environ['COLOUR']\n")
    answer = preload(folder, "reads", environment={"COLOUR": "blue"})
    assert answer["seen"] == "blue"
    assert answer["environment"] == {"COLOUR": None}
    assert answer["path"] == [f"{folder}/lib", f"{folder}/project"]


def test_a_serving_process_learns_what_is_not_the_projects(folder: Path) -> None:
    library(folder, "plain", "import decimal\n")
    (folder / "project" / "own.py").write_text("import plain\n")
    names = learn(folder, "import own\nimport settings\n")
    assert {"plain", "decimal"} <= set(names)
    assert not {"main", "own", "settings"} & set(names)
    assert names.index("decimal") < names.index("plain")


def test_what_is_imported_after_the_environment_was_changed_is_not_learned(folder: Path) -> None:
    library(folder, "before", "")
    library(folder, "after", "")
    names = learn(folder, "import before, os\nos.environ['COLOUR'] = 'red'\nimport after\n")
    assert "before" in names
    assert "after" not in names


def test_packages_in_a_virtual_environment_of_the_project_are_learned(folder: Path) -> None:
    packages = folder / "project" / ".venv" / "lib" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "installed.py").write_text("")
    names = learn(folder, f"import sys\nsys.path.append({str(packages)!r})\nimport installed\n")
    assert "installed" in names
