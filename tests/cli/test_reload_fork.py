"""What a new generation has from its parent, and what it must not have."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.support.flash_run import FlashRun
from tests.support.processes import wait_gone, wait_until

Start = Callable[..., FlashRun]

APP = """\
import os, random
import library
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


class Project:
    def __init__(self, folder: Path, flash_run: Start) -> None:
        self.main = folder / "project" / "main.py"
        self.library = folder / "lib" / "library.py"
        for file, text in ((self.main, APP), (self.library, LIBRARY)):
            file.parent.mkdir()
            file.write_text(text)
        self._start = flash_run
        self._value = 0

    def run(self, *options: str, **variables: str) -> FlashRun:
        variables["PYTHONPATH"] = str(self.library.parent)
        return self._start(*options, cwd=self.main.parent, **variables)

    def save(self, http: httpx.Client, url: str) -> dict[str, object]:
        """Save; the answer of the new code."""
        self._value += 1
        self.main.write_text(APP.replace("VALUE = 0", f"VALUE = {self._value}"))
        answer: dict[str, object] = {}

        def arrived() -> bool:
            answer.update(http.get(url).json())
            return answer["value"] == self._value

        wait_until(arrived, 20, f"save {self._value}")
        return answer

    def save_until(
        self, http: httpx.Client, url: str, condition: Callable[[dict[str, object]], bool]
    ) -> dict[str, object]:
        """Save until an answer is as wanted: the parent learns after an app has started."""
        answer: dict[str, object] = {}

        def tried() -> bool:
            answer.clear()
            answer.update(self.save(http, url))
            return condition(answer)

        wait_until(tried, 30, "an answer as wanted")
        return answer


@pytest.fixture
def project(tmp_path: Path, flash_run: Start) -> Project:
    return Project(tmp_path, flash_run)


def is_preloaded(answer: dict[str, object]) -> bool:
    return answer["imported_by"] != answer["pid"]


def test_a_library_is_imported_once_for_all_generations(
    project: Project, http: httpx.Client
) -> None:
    run = project.run()
    assert not is_preloaded(http.get(run.url).json())
    first = project.save_until(http, run.url, is_preloaded)
    second = project.save(http, run.url)
    assert first["imported_by"] == second["imported_by"]
    assert first["random"] != second["random"]


def test_a_library_that_changes_is_imported_anew(project: Project, http: httpx.Client) -> None:
    run = project.run()
    project.save_until(http, run.url, is_preloaded)
    project.library.write_text(LIBRARY.replace("first", "other"))
    assert project.save(http, run.url)["says"] == "other"


def test_a_library_that_is_edited_costs_one_parent(project: Project, http: httpx.Client) -> None:
    run = project.run()
    first = project.save_until(http, run.url, is_preloaded)
    answers = []
    for text in ("second", "third", "fourth"):
        project.library.write_text(LIBRARY.replace("first", text))
        wait_until(lambda: http.get(run.url).json()["says"] == text, 20, text)  # noqa: B023
        answers.append(http.get(run.url).json())
    assert not any(map(is_preloaded, answers))
    assert len({answer["parent"] for answer in (first, *answers)}) == 2


def test_a_library_that_starts_a_thread_is_left_to_each_generation(
    project: Project, http: httpx.Client
) -> None:
    project.library.write_text(
        LIBRARY + "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
    )
    run = project.run()
    for _ in range(4):
        assert not is_preloaded(project.save(http, run.url))


def test_what_dotenv_says_reaches_a_library_also_after_a_change(
    project: Project, http: httpx.Client
) -> None:
    project.library.write_text("import os\nPID = os.getpid()\nSAYS = os.environ['COLOUR']\n")
    dotenv = project.main.parent / ".env"
    dotenv.write_text("COLOUR=red\n")
    run = project.run()
    assert project.save_until(http, run.url, is_preloaded)["says"] == "red"

    dotenv.write_text("COLOUR=blue\n")

    wait_until(lambda: http.get(run.url).json()["says"] == "blue", 20, "the new variable")


def test_without_forks_a_save_brings_up_the_new_code_as_well(
    project: Project, http: httpx.Client
) -> None:
    run = project.run("--no-fork")
    pid = http.get(run.url).json()["pid"]
    for _ in range(2):
        answer = project.save(http, run.url)
        assert answer["imported_by"] == answer["pid"] != pid


def test_where_a_thread_runs_in_the_parent_nothing_is_forked(
    project: Project, http: httpx.Client
) -> None:
    # A debugger or a tracer would start one in every interpreter.
    (project.library.parent / "sitecustomize.py").write_text(
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
    )
    run = project.run()
    for _ in range(2):
        assert not is_preloaded(project.save(http, run.url))


def test_a_parent_that_is_killed_is_replaced(project: Project, http: httpx.Client) -> None:
    run = project.run()
    os.kill(http.get(run.url).json()["parent"], signal.SIGKILL)
    run.wait_for("ended with exit code")
    assert project.save(http, run.url)["value"] == 1


def test_a_library_that_hangs_when_it_is_imported_ahead_holds_up_one_save(
    project: Project, http: httpx.Client
) -> None:
    hangs = "import sys, time\nif 'main' not in sys.modules: time.sleep(600)\n"
    project.library.write_text(f"{hangs}{LIBRARY}")
    run = project.run()
    for _ in range(3):
        assert not is_preloaded(project.save(http, run.url))

    tree = run.tree()
    run.process.kill()
    run.wait(10)
    wait_gone(tree, 10)
