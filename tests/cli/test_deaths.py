"""However ``flash run`` ends, nothing of it is left: no process, no port."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import click
import httpx
import pytest

from tests.support.environment import clean_environment
from tests.support.flash_run import FlashRun
from tests.support.processes import Process, descendants, wait_gone, wait_until

Start = Callable[..., FlashRun]

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
    return {"work": await work(), "parent": os.getppid(), "pid": os.getpid()}
"""


@pytest.fixture
def times(request: pytest.FixtureRequest) -> int:
    return 20 if request.config.getoption("soak") else 1


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "main.py").write_text(APP)
    return tmp_path


def started(flash_run: Start, http: httpx.Client, project: Path) -> tuple[FlashRun, set[Process]]:
    """A server with a worker, an app's own subprocess, and a reload behind it."""
    run = flash_run("--host", "127.0.0.1", cwd=project)
    pid = http.get(run.url).json()["pid"]
    main = project / "main.py"
    main.write_text(main.read_text() + "\n")
    wait_until(lambda: http.get(run.url).json()["pid"] != pid, 20, "the new code")
    tree = run.tree()
    # The command, the parent, the app, its subprocess, the emulator and a worker.
    assert len(tree) >= 6
    return run, tree


def nothing_is_left(run: FlashRun, tree: set[Process]) -> None:
    wait_gone(tree, 5)
    with socket.create_server(("127.0.0.1", port_of(run.url))):
        pass  # The port is free.


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        (signal.SIGTERM, 0),
        (signal.SIGHUP, 0),
        (signal.SIGKILL, -signal.SIGKILL),
    ],
    ids=["interrupt", "terminate", "hang-up", "kill"],
)
def test_a_signal_leaves_nothing(
    flash_run: Start,
    http: httpx.Client,
    project: Path,
    number: signal.Signals,
    code: int,
    times: int,
) -> None:
    for _ in range(times):
        run, tree = started(flash_run, http, project)
        run.process.send_signal(number)
        assert run.wait(10) == code
        nothing_is_left(run, tree)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_to_the_whole_group_leaves_nothing(
    flash_run: Start, http: httpx.Client, project: Path, number: signal.Signals, times: int
) -> None:
    for _ in range(times):
        run, tree = started(flash_run, http, project)
        os.killpg(run.process.pid, number)
        run.wait(10)
        nothing_is_left(run, tree)
        assert "Traceback" not in run.output


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
        assert process.wait(10) == 0
        wait_gone(tree, 5)


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
        wait_until(lambda: text in self.text(), 30, repr(text))

    def text(self) -> str:
        """Everything so far."""
        with contextlib.suppress(BlockingIOError):
            self._written += os.read(self._terminal, 65536)
        return click.unstyle(self._written.decode(errors="replace"))


def tree_of(run: FlashRun, count: int) -> set[Process]:
    """The processes, as soon as there are so many."""
    wait_until(lambda: len(run.tree()) >= count, 20, f"{count} processes")
    return run.tree()


def test_while_it_starts_a_kill_leaves_nothing(flash_run: Start, project: Path, times: int) -> None:
    for number in range(times):
        run = flash_run(cwd=project)
        # At another moment each time: with no process, some, or all of them.
        tree = tree_of(run, 1 + number % 5)
        run.process.kill()
        run.wait(10)
        wait_gone(tree, 10)  # What is still importing ends when it has.


def test_while_it_reloads_a_kill_leaves_nothing(
    flash_run: Start, http: httpx.Client, project: Path, times: int
) -> None:
    main = project / "main.py"
    for _ in range(times):
        main.write_text(APP)
        run, _ = started(flash_run, http, project)
        main.write_text("print('stuck', flush=True)\nimport time\ntime.sleep(600)\n")
        run.wait_for("stuck")
        tree = run.tree()
        run.process.kill()
        run.wait(10)
        wait_gone(tree, 5)


def test_a_parent_that_is_killed_takes_its_app_along(
    flash_run: Start, http: httpx.Client, project: Path, times: int
) -> None:
    for _ in range(times):
        run, _ = started(flash_run, http, project)
        answer = http.get(run.url).json()
        app = {each for each in run.tree() if each.pid == answer["pid"]}
        os.kill(answer["parent"], signal.SIGKILL)
        wait_gone(app, 5)
        run.process.terminate()
        assert run.wait(10) == 0


def test_a_second_interrupt_does_not_wait(
    flash_run: Start, http: httpx.Client, project: Path
) -> None:
    main = project / "main.py"
    main.write_text(
        "import asyncio\nfrom fastapi import FastAPI\napp = FastAPI()\n"
        "@app.on_event('shutdown')\nasync def stay():\n"
        "    print('staying', flush=True)\n    await asyncio.sleep(600)\n"
        "@app.get('/')\ndef index(): return 0\n"
    )
    run = flash_run(cwd=project)
    assert http.get(run.url).json() == 0
    tree = run.tree()
    run.process.send_signal(signal.SIGINT)
    run.wait_for("staying")
    run.process.send_signal(signal.SIGINT)
    assert run.wait(5) == 130
    wait_gone(tree, 3)
    assert "Traceback" not in run.output


def test_a_running_request_is_answered_before_the_end(
    flash_run: Start, http: httpx.Client, project: Path
) -> None:
    (project / "main.py").write_text(
        "import asyncio\nfrom fastapi import FastAPI\napp = FastAPI()\n"
        "@app.get('/')\nasync def index():\n"
        "    print('asked', flush=True)\n    await asyncio.sleep(1)\n    return 5\n"
    )
    run = flash_run(cwd=project)
    url = run.url
    with socket.create_connection(("localhost", port_of(url)), timeout=20) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        run.wait_for("asked")
        run.process.send_signal(signal.SIGINT)
        answer = b""
        while chunk := connection.recv(4096):
            answer += chunk
    assert answer.endswith(b"\r\n\r\n5")
    assert run.wait(10) == 130
