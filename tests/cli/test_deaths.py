"""However ``flash run`` ends, nothing of it is left: no process, no port."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import httpx
import pytest

from tests.support.environment import clean_environment
from tests.support.runs.flash_run import FlashRun, StartRun
from tests.support.runs.requests import answered, asking
from tests.support.runs.saving import save
from tests.support.runs.shared_run import SharedRun, sharing
from tests.support.system.processes import Process, descendants, wait_gone, wait_until
from tests.support.system.sockets import listeners

# Longer than any test waits: only what is asked for ends what goes on.
NEVER = 3600.0

APP = """\
import os, subprocess
from fastapi import FastAPI
from pytest_flash import CpuLiveServerless, remote

app = FastAPI()
SLEEP = subprocess.Popen(["sleep", "600"])

@remote(CpuLiveServerless(name="deaths"))
def work():
    return 1

@app.get("/")
async def index():
    return {"work": await work(), "pid": os.getpid()}
"""

# Without processes of its own.
PLAIN = """\
import os
from fastapi import FastAPI

app = FastAPI()

@app.get("/")
async def index():
    return {"parent": os.getppid(), "pid": os.getpid()}
"""


@pytest.fixture
def soak(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("soak"))


@pytest.fixture
def times(soak: bool) -> int:
    return 20 if soak else 1


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "main.py").write_text(APP)
    return tmp_path


@dataclass(frozen=True)
class Started:
    """A server, its processes, and the sockets that it listens on."""

    run: FlashRun
    tree: set[Process]
    sockets: set[str]

    def leaves_nothing(self) -> None:
        """Every process ends, and nobody holds a listening socket."""
        wait_gone(self.tree, 60)
        assert not self.sockets & {each.inode for each in listeners()}


def started(flash_run: StartRun, http: httpx.Client, project: Path, source: str) -> Started:
    """A server that has reloaded; with ``APP`` it has a worker and the app a subprocess."""
    save(project / "main.py", source)
    run = flash_run("--host", "127.0.0.1", cwd=project)
    url = run.url
    pid = http.get(url).json()["pid"]
    save(project / "main.py", source + "\n")
    wait_until(lambda: http.get(url).json()["pid"] != pid, 60, "the new code")
    tree = run.tree()
    # The command, the parent, the app, its subprocess, the emulator and a worker.
    assert len(tree) >= (6 if source == APP else 4)
    sockets = {each.inode for each in listeners() if each.port == httpx.URL(url).port}
    assert sockets
    return Started(run, tree, sockets)


CODES = {
    signal.SIGINT: 130,
    signal.SIGTERM: 0,
    signal.SIGHUP: 0,
    signal.SIGKILL: -signal.SIGKILL,
}
# Each asks for an end in order: one of them stands for all, but with --soak.
ORDERLY = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["terminate", "kill"])
def test_a_signal_leaves_nothing(
    flash_run: StartRun,
    http: httpx.Client,
    project: Path,
    number: signal.Signals,
    soak: bool,
    times: int,
) -> None:
    for each in _numbers(number, signal.SIGTERM, soak) * times:
        server = started(flash_run, http, project, APP)
        server.run.process.send_signal(each)
        assert server.run.wait() == CODES[each]
        server.leaves_nothing()


# As Ctrl-C in a terminal, a closed terminal and the end of a service reach it.
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL, signal.SIGINT])
def test_a_signal_to_the_whole_group_leaves_nothing(
    flash_run: StartRun,
    http: httpx.Client,
    project: Path,
    number: signal.Signals,
    soak: bool,
    times: int,
) -> None:
    source = PLAIN if number is signal.SIGHUP else APP
    for each in _numbers(number, signal.SIGHUP, soak) * times:
        server = started(flash_run, http, project, source)
        os.killpg(server.run.process.pid, each)
        assert server.run.wait() == CODES[each]
        server.leaves_nothing()
        assert "Traceback" not in server.run.output


def _numbers(number: signal.Signals, orderly: signal.Signals, soak: bool) -> list[signal.Signals]:
    """``number``; with ``soak`` in place of ``orderly`` all that ask for an end in order."""
    return list(ORDERLY) if soak and number is orderly else [number]


def test_a_closed_terminal_leaves_nothing(
    http: httpx.Client, project: Path, tmp_path: Path, times: int
) -> None:
    for _ in range(times):
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "flash_cli", "run", "--port", "0"],
            cwd=project,
            env=clean_environment(),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=take_terminal,
        )
        os.close(theirs)
        screen = Screen(ours)
        screen.wait_for("docs")
        url = "http://" + screen.text().partition(" at http://")[2].split()[0]
        assert http.get(url).status_code == 200
        tree = descendants(process.pid)
        os.close(ours)
        assert process.wait(60) == 0
        wait_gone(tree, 60)


def take_terminal() -> None:
    """Make standard input the terminal of this session."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Screen:
    """What a program wrote to a terminal, without its colours."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._written = b""
        os.set_blocking(terminal, False)

    def wait_for(self, text: str) -> None:
        """Return once ``text`` was written."""
        wait_until(lambda: text in self.text(), 60, repr(text))

    def text(self) -> str:
        """Everything so far."""
        with contextlib.suppress(BlockingIOError):
            self._written += os.read(self._terminal, 65536)
        return click.unstyle(self._written.decode(errors="replace"))


def tree_of(run: FlashRun, count: int) -> set[Process]:
    """The processes, as soon as there are so many."""
    wait_until(lambda: len(run.tree()) >= count, 60, f"{count} processes")
    return run.tree()


def test_while_it_starts_a_kill_leaves_nothing(
    flash_run: StartRun, project: Path, times: int
) -> None:
    for number in range(times):
        run = flash_run(cwd=project)
        # At another moment each time: with no process, some, or all of them.
        tree = tree_of(run, 1 + number % 5)
        run.process.kill()
        run.wait()
        wait_gone(tree, 60)  # What is still importing ends when it has.


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedRun]:
    """A server that waits for its answers when it ends, however long they take."""
    timings = {"stop_grace": NEVER}
    with sharing(tmp_path_factory.mktemp("shared"), timings=timings) as served:
        yield served


def parent_and_app(http: httpx.Client, url: str) -> dict[str, int]:
    """What ``PLAIN`` answers, once it serves."""
    wait_until(lambda: "parent" in http.get(url).json(), 60, "the app")
    answer: dict[str, int] = http.get(url).json()
    return answer


def test_a_parent_that_is_killed_takes_its_app_along(
    shared: SharedRun, http: httpx.Client, times: int
) -> None:
    for _ in range(times):
        run = shared.begin()
        save(shared.main, PLAIN)
        answer = parent_and_app(http, run.url)
        app = {each for each in run.tree() if each.pid == answer["pid"]}
        os.kill(answer["parent"], signal.SIGKILL)
        wait_gone(app, 60)
        run.wait_for("ended with exit code")
        assert not run.has_ended


# From here on each ends the run.
def test_while_it_reloads_a_kill_leaves_nothing(shared: SharedRun, times: int) -> None:
    for _ in range(times):
        run = shared.begin()
        save(shared.main, "print('stuck', flush=True)\nimport time\ntime.sleep(3600)\n")
        run.wait_for("stuck")
        tree = run.tree()
        run.process.kill()
        run.wait()
        wait_gone(tree, 60)


STAYS = """\
import asyncio
from fastapi import FastAPI
app = FastAPI()

@app.on_event("shutdown")
async def stay():
    print("staying", flush=True)
    await asyncio.sleep(3600)

print("loaded", flush=True)
"""
SLOW = """\
import asyncio
from fastapi import FastAPI
app = FastAPI()

@app.get("/")
async def index():
    print("asked", flush=True)
    await asyncio.sleep(0.5)
    return 5

@app.get("/loaded")
def loaded():
    return 1
"""


def test_a_second_interrupt_does_not_wait(shared: SharedRun, http: httpx.Client) -> None:
    run = shared.begin()
    save(shared.main, STAYS)
    run.wait_for("loaded")
    wait_until(lambda: http.get(f"{run.url}/").status_code == 404, 60, "the app")
    tree = run.tree()
    run.process.send_signal(signal.SIGINT)
    run.wait_for("staying")
    assert not run.has_ended
    run.process.send_signal(signal.SIGINT)
    assert run.wait() == 130
    wait_gone(tree, 60)
    assert "Traceback" not in run.output


def test_a_running_request_is_answered_before_the_end(
    shared: SharedRun, http: httpx.Client
) -> None:
    run = shared.begin()
    save(shared.main, SLOW)
    wait_until(lambda: http.get(f"{run.url}/loaded").status_code == 200, 60, "the app")
    with asking(run.url) as connection:
        run.wait_for("asked")
        run.process.send_signal(signal.SIGINT)
        assert answered(connection).endswith(b"\r\n\r\n5")
    assert run.wait() == 130
