"""The parent of serving processes is stopped or killed: `flash run` ends, and leaves nothing.

So is the command itself: what it serves goes on.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.runs.flash_run import FlashRun, StartRun
from tests.support.runs.saving import save
from tests.support.runs.shared_run import SharedRun, sharing
from tests.support.system.processes import Process, wait_gone, wait_until

APP = """\
import os, subprocess
from fastapi import FastAPI

app = FastAPI()
SLEEP = subprocess.Popen(["sleep", "600"])

@app.get("/")
def index():
    return {"parent": os.getppid(), "pid": os.getpid(), "sleep": SLEEP.pid}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "main.py").write_text(APP)
    return tmp_path


def started(
    flash_run: StartRun, http: httpx.Client, project: Path
) -> tuple[FlashRun, dict[str, int], set[Process]]:
    run = flash_run(cwd=project)
    answer: dict[str, int] = http.get(run.url).json()
    tree = run.tree()
    assert {*answer.values()} <= {each.pid for each in tree}
    return run, answer, tree


def test_a_signal_ends_it_with_its_parent_stopped(
    flash_run: StartRun, http: httpx.Client, project: Path
) -> None:
    run, answer, tree = started(flash_run, http, project)
    os.kill(answer["parent"], signal.SIGSTOP)
    run.process.send_signal(signal.SIGINT)
    assert run.wait() == 130
    wait_gone(tree, 60)


def test_a_signal_ends_it_with_its_parent_hanging_in_an_import(
    flash_run: StartRun, http: httpx.Client, project: Path, tmp_path: Path
) -> None:
    library, hangs = tmp_path / "lib" / "library.py", tmp_path / "hangs"
    library.parent.mkdir()
    library.write_text(
        "import sys, time\nif 'main' not in sys.modules:\n"
        f"    open({str(hangs)!r}, 'w').close()\n    time.sleep(3600)\n"
    )
    project = project / "project"
    project.mkdir()
    (project / "main.py").write_text(f"import library\n{APP}")
    run = flash_run(cwd=project, PYTHONPATH=str(library.parent))
    assert http.get(run.url).status_code == 200
    wait_until(hangs.exists, 60, "the import ahead")
    tree = run.tree()
    run.process.send_signal(signal.SIGINT)
    assert run.wait() == 130
    wait_gone(tree, 60)


def test_with_all_of_them_stopped_a_signal_ends_it(
    flash_run: StartRun, http: httpx.Client, project: Path
) -> None:
    run, answer, tree = started(flash_run, http, project)
    for each in answer.values():
        os.kill(each, signal.SIGSTOP)
    run.process.send_signal(signal.SIGINT)
    assert run.wait() == 130
    wait_gone(tree, 60)


def test_a_kill_of_the_command_leaves_nothing_with_its_parent_stopped(
    flash_run: StartRun, http: httpx.Client, project: Path
) -> None:
    run, answer, tree = started(flash_run, http, project)
    os.kill(answer["parent"], signal.SIGSTOP)
    run.process.kill()
    run.wait()
    wait_gone(tree, 60)


CALLS = """\
from fastapi import FastAPI
from pytest_flash import LiveServerless, remote

app = FastAPI()

@remote(LiveServerless(name="worker"))
def work(x):
    return x

@app.get("/{x}")
async def index(x: int):
    return await work(x)
"""


def test_requests_are_answered_while_the_command_is_stopped(
    flash_run: StartRun, http: httpx.Client, project: Path
) -> None:
    (project / "main.py").write_text(CALLS)
    run = flash_run(cwd=project)
    assert http.get(f"{run.url}/0").json() == 0  # Provisioned.
    run.process.send_signal(signal.SIGSTOP)
    # Each is reported to the command, whose socket took 55 of them.
    assert [http.get(f"{run.url}/{x}").json() for x in range(300)] == [*range(300)]
    run.process.send_signal(signal.SIGCONT)
    tree = run.tree()
    run.process.send_signal(signal.SIGINT)
    assert run.wait() == 130
    wait_gone(tree, 60)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedRun]:
    with sharing(tmp_path_factory.mktemp("shared")) as served:
        yield served


def served(shared: SharedRun, http: httpx.Client) -> tuple[FlashRun, dict[str, int]]:
    """``APP`` on the shared run, and what it answers."""
    run = shared.begin()
    save(shared.main, APP)
    wait_until(lambda: "parent" in http.get(run.url).json(), 60, "the app")
    answer: dict[str, int] = http.get(run.url).json()
    return run, answer


def test_a_save_with_its_parent_stopped_brings_up_the_new_code(
    shared: SharedRun, http: httpx.Client
) -> None:
    run, answer = served(shared, http)
    os.kill(answer["parent"], signal.SIGSTOP)
    save(shared.main, APP + "\n")
    wait_until(lambda: http.get(run.url).json()["pid"] != answer["pid"], 60, "the new code")


def test_a_kill_of_its_parent_leaves_no_subprocess_of_the_app(
    shared: SharedRun, http: httpx.Client
) -> None:
    run, answer = served(shared, http)
    gone = {each for each in run.tree() if each.pid in answer.values()}
    assert len(gone) == 3
    os.kill(answer["parent"], signal.SIGKILL)
    wait_gone(gone, 60)
    save(shared.main, APP + "\n")
    wait_until(lambda: http.get(run.url).status_code == 200, 60, "the new code")
    run.process.send_signal(signal.SIGINT)
    assert run.wait() == 130
