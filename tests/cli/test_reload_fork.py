"""What a new generation has from its parent, and what it must not have."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import httpx
import pytest

from tests.support.runs.flash_run import FlashRun
from tests.support.runs.saving import save
from tests.support.runs.shared_run import SharedRun, sharing
from tests.support.system.processes import wait_gone, wait_until

APP = """\
import os, random
import LIBRARY as library
from fastapi import FastAPI
app = FastAPI()
VALUE = 0

@app.get("/")
def index():
    return {
        "value": VALUE,
        "imported_by": library.PID,
        "says": library.SAYS,
        "random": random.random(),
        "pid": os.getpid(),
        "parent": os.getppid(),
    }
"""
LIBRARY = "import os\nPID = os.getpid()\nSAYS = 'first'\n"
Answer = dict[str, object]


class Project:
    """An app with a library of its own, which no earlier one has imported."""

    def __init__(self, shared: SharedRun, libraries: Path, http: httpx.Client) -> None:
        self.shared = shared
        self.run: FlashRun = shared.begin()
        number = len(list(libraries.glob("*.py")))
        self.library = libraries / f"library{number}.py"
        self.library.write_text(LIBRARY)
        self._http = http
        self._value = 0

    def answer(self) -> Answer:
        """What the app answers now."""
        answer: Answer = self._http.get(self.run.url).json()
        return answer

    def save(self) -> Answer:
        """Save; the answer of the new code."""
        self._value += 1
        source = APP.replace("LIBRARY", self.library.stem)
        save(self.shared.main, source.replace("VALUE = 0", f"VALUE = {self._value}"))
        answer: Answer = {}

        def arrived() -> bool:
            answer.clear()
            answer.update(self.answer())
            return answer.get("value") == self._value

        wait_until(arrived, 60, f"save {self._value}")
        return answer

    def save_until(self, condition: Callable[[Answer], bool]) -> Answer:
        """Save until an answer is as wanted: the parent learns after an app has started."""
        answer: Answer = {}

        def tried() -> bool:
            answer.clear()
            answer.update(self.save())
            return condition(answer)

        wait_until(tried, 60, "an answer as wanted")
        return answer


class Share(Protocol):
    def __call__(
        self, *options: str, sitecustomize: str = "", timings: dict[str, float] | None = None
    ) -> Project: ...


@pytest.fixture
def share(tmp_path: Path, http: httpx.Client) -> Iterator[Share]:
    """Serve a project with options of its own."""
    with contextlib.ExitStack() as stack:
        libraries = tmp_path / "libraries"
        libraries.mkdir()

        def start(
            *options: str, sitecustomize: str = "", timings: dict[str, float] | None = None
        ) -> Project:
            environment = {"PYTHONPATH": str(libraries)}
            if sitecustomize:
                other = tmp_path / "site"
                other.mkdir()
                (other / "sitecustomize.py").write_text(sitecustomize)
                environment["PYTHONPATH"] += f"{os.pathsep}{other}"
            shared = sharing(tmp_path, *options, timings=timings, environment=environment)
            return Project(stack.enter_context(shared), libraries, http)

        yield start


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("libraries")


@pytest.fixture(scope="module")
def shared(libraries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedRun]:
    environment = {"PYTHONPATH": str(libraries)}
    folder, patient = tmp_path_factory.mktemp("shared"), {"parent_limit": 3600.0}
    with sharing(folder, environment=environment, timings=patient) as served:
        yield served


@pytest.fixture
def project(shared: SharedRun, libraries: Path, http: httpx.Client) -> Project:
    return Project(shared, libraries, http)


def is_preloaded(answer: Answer) -> bool:
    return answer["imported_by"] != answer["pid"]


def test_a_library_is_imported_once_for_all_generations(project: Project) -> None:
    assert not is_preloaded(project.save())
    first = project.save_until(is_preloaded)
    second = project.save()
    assert first["imported_by"] == second["imported_by"]
    assert first["random"] != second["random"]


def test_a_library_that_changes_is_imported_anew(project: Project) -> None:
    project.save_until(is_preloaded)
    # Of another size: Python takes cached bytecode of the same size and second for the file's.
    save(project.library, LIBRARY.replace("first", "something else"))
    assert project.save()["says"] == "something else"


def test_a_library_that_is_edited_costs_one_parent(project: Project) -> None:
    first = project.save_until(is_preloaded)
    answers = []
    for text in ("second", "third", "fourth"):
        save(project.library, LIBRARY.replace("first", text))
        wait_until(lambda: project.answer()["says"] == text, 60, text)  # noqa: B023
        answers.append(project.answer())
    assert not any(map(is_preloaded, answers))
    assert len({answer["parent"] for answer in (first, *answers)}) == 2


def test_a_library_that_starts_a_thread_is_left_to_each_generation(project: Project) -> None:
    project.library.write_text(
        LIBRARY + "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()\n"
    )
    for _ in range(4):
        assert not is_preloaded(project.save())


def test_what_dotenv_says_reaches_a_library_also_after_a_change(project: Project) -> None:
    project.library.write_text("import os\nPID = os.getpid()\nSAYS = os.environ['COLOUR']\n")
    dotenv = project.shared.folder / ".env"
    save(dotenv, "COLOUR=red\n")
    assert project.save_until(is_preloaded)["says"] == "red"

    save(dotenv, "COLOUR=blue\n")

    wait_until(lambda: project.answer()["says"] == "blue", 60, "the new variable")


def test_a_parent_that_is_killed_is_replaced(project: Project) -> None:
    parent = project.save()["parent"]
    assert isinstance(parent, int)
    os.kill(parent, signal.SIGKILL)
    project.run.wait_for("ended with exit code")
    assert project.save()["value"] == 2


def test_without_forks_a_save_brings_up_the_new_code_as_well(share: Share) -> None:
    project = share("--no-fork")
    first = project.save()
    second = project.save()
    assert first["imported_by"] == first["pid"] != second["pid"] == second["imported_by"]


def test_where_a_thread_runs_in_the_parent_nothing_is_forked(share: Share) -> None:
    # A debugger or a tracer would start one in every interpreter.
    project = share(
        sitecustomize="import threading, time\n"
        "threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()\n"
    )
    assert not is_preloaded(project.save())


def test_a_library_that_hangs_when_it_is_imported_ahead_holds_up_one_save(share: Share) -> None:
    project = share(timings={"parent_limit": 1.0})
    hangs = "import sys, time\nif 'main' not in sys.modules: time.sleep(3600)\n"
    project.library.write_text(f"{hangs}{LIBRARY}")
    for _ in range(3):
        assert not is_preloaded(project.save())

    tree = project.run.tree()
    project.run.process.kill()
    project.run.wait()
    wait_gone(tree, 60)
