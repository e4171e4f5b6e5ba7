"""Imports of ours leave ``sys.path`` and ``sys.modules`` to the other threads of the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pytest_flash.shadowed_modules import OwnFinder, own_finder
from tests.support.environment import clean_environment

OURS = "import pytest_flash.functions.decorator, pytest_flash.testing.session\n"

# Told of each import, when the importing thread is anywhere in it.
WATCHED = """
import sys
path, seen, faults = list(sys.path), {}, []

class Watcher:
    def find_spec(self, name, *rest):
        if sys.path != path:
            faults.append(f"sys.path is {sys.path} as {name} is imported")
        look()

def look():
    for name, module in seen.items():
        if sys.modules.get(name) is not module:
            faults.append(f"{name} is gone")
            raise SystemExit(faults)
    # Not those of packages, some of which replace themselves.
    new = {n: m for n, m in sys.modules.items() if n.partition(".")[0] in sys.stdlib_module_names}
    seen.update(new)

import pytest_flash.shadowed_modules
pytest_flash.shadowed_modules.own_finder()
sys.meta_path.insert(0, Watcher())
"""

COVERED = """
import sys
asked = []

class Watcher:
    def find_spec(self, name, *rest):
        if name == "main":
            asked.append(name)

import coverage
measured = coverage.Coverage(source=["main"], data_file=None)
measured.start()
import pytest_flash.shadowed_modules
pytest_flash.shadowed_modules.own_finder()
sys.meta_path.insert(0, Watcher())
"""

THREADED = """
import sys, threading
began, go = threading.Event(), threading.Event()
sys.modules["began"], sys.modules["go"] = began, go
failures = []

def imports():
    try:
        import wave.slow
    except BaseException as error:
        failures.append(repr(error))

def goes_on(frame, event, argument):
    # In the midst of an import of ours the other thread goes on to its end.
    if frame.f_code.co_name == "<module>" and "pytest_flash" not in frame.f_code.co_filename:
        sys.setprofile(None)
        go.set()
        thread.join()

thread = threading.Thread(target=imports)
thread.start()
assert began.wait(30)
own = sys.modules["wave"]
import pytest_flash.shadowed_modules
pytest_flash.shadowed_modules.own_finder()
sys.setprofile(goes_on)
import pytest_flash.functions.decorator
assert go.is_set()
assert not failures, failures
import wave
assert wave is own and wave.slow.DONE
"""


def run(folder: Path, code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("folder", [None, "email", "logging", "asyncio", "http"])
def test_no_module_vanishes_and_the_path_stays(tmp_path: Path, folder: str | None) -> None:
    """Also where the user has a folder of such a name that holds no module."""
    if folder is not None:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "notes.txt").touch()
    run(tmp_path, f"{WATCHED}{OURS}look()\nassert not faults, faults")


def test_coverage_is_given_no_reason_to_look_for_modules_again(tmp_path: Path) -> None:
    """It would take away what other threads import meanwhile."""
    pytest.importorskip("coverage")
    (tmp_path / "main.py").touch()
    run(tmp_path, f"{COVERED}{OURS}measured.stop()\nassert not asked, asked")


def test_what_another_thread_is_importing_stays_where_it_is(tmp_path: Path) -> None:
    package = tmp_path / "wave"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "slow.py").write_text(
        "import sys\nsys.modules['began'].set()\nassert sys.modules['go'].wait(30)\nDONE = True\n"
    )
    run(tmp_path, THREADED)


def test_a_later_runs_finder_does_not_get_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run of pytest in a process puts its rewriter in front, which would parse our modules."""

    class AssertionRewritingHook:
        def find_spec(self, *_: object) -> None:
            """As pytest's."""

    monkeypatch.setattr(sys, "meta_path", [AssertionRewritingHook(), *sys.meta_path])
    finder = own_finder()
    assert sys.meta_path[0] is finder
    assert sum(isinstance(each, OwnFinder) for each in sys.meta_path) == 1
