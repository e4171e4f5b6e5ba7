"""``flash run`` beside ``uvicorn --reload``: start to first answer, save to new answer."""

from __future__ import annotations

import argparse
import contextlib
import http.client
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.measure import machine, table
from tests.support.environment import clean_environment

_APP = """\
from fastapi import FastAPI
app = FastAPI()
VALUE = 0
@app.get("/")
def index():
    return VALUE
"""
_HEAVY = f"import slow_library\n{_APP}"
_LIBRARY = "import time\ntime.sleep(1.5)\n"
_LIMIT = 30.0
_POLL = 0.001
# For the file watchers to be at work, and for the parent to have learned what to import.
SETTLED = 4.0
# A file system's events come close together after a save; the next save is another one.
_BETWEEN = 0.5


@dataclass(frozen=True)
class Server:
    """A command that serves ``main:app`` of the current folder on ``{port}``."""

    name: str
    arguments: tuple[str, ...]

    def command(self, port: int) -> list[str]:
        """The command line."""
        return [sys.executable, "-m", *self.arguments, "--host", "127.0.0.1", "--port", str(port)]


UVICORN = Server("uvicorn --reload", ("uvicorn", "main:app", "--reload"))
FLASH = Server("flash run", ("flash_cli", "run"))
SERVERS = (UVICORN, FLASH)


@dataclass(frozen=True)
class Project:
    """A folder with an app, and a library that it may import."""

    folder: Path
    source: str

    @property
    def main(self) -> Path:
        """The app's file."""
        return self.folder / "main.py"

    @property
    def environment(self) -> dict[str, str]:
        """Where the library is found."""
        return clean_environment(PYTHONPATH=str(self.folder.parent / "library"))


def start(server: Server, project: Project, port: int) -> float:
    """Seconds from the start of the process to the first answer."""
    began = time.perf_counter()
    with running(server, project, port):
        return time.perf_counter() - began


def saves(server: Server, project: Project, port: int, times: int) -> list[float]:
    """Seconds from the end of each save to the first answer of the new code."""
    with running(server, project, port):
        time.sleep(SETTLED)
        return [save(project, port, value) for value in range(1, times + 1)]


def save(project: Project, port: int, value: int) -> float:
    """Seconds from a save of the app to the first answer with ``value``."""
    time.sleep(_BETWEEN)
    project.main.write_text(project.source.replace("VALUE = 0", f"VALUE = {value}"))
    began = time.perf_counter()
    until(lambda: ask(port) == str(value))
    return time.perf_counter() - began


@contextlib.contextmanager
def running(server: Server, project: Project, port: int) -> Iterator[None]:
    """``server`` at ``port``, from its first answer on."""
    project.main.write_text(project.source)
    process = subprocess.Popen(
        server.command(port),
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: ask(port) is not None)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(_LIMIT)


def ask(port: int, path: str = "/") -> str | None:
    """The answer at ``port``; None where there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_LIMIT)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException):
        return None  # `uvicorn --reload` resets some connections while it reloads.
    finally:
        connection.close()


def until(condition: Callable[[], bool]) -> None:
    """Return when ``condition`` holds. Raises TimeoutError."""
    deadline = time.perf_counter() + _LIMIT
    while not condition():
        if time.perf_counter() > deadline:
            raise TimeoutError("the server did not answer as it should")
        time.sleep(_POLL)


def _row(name: str, measured: Sequence[Sequence[float]]) -> tuple[str, ...]:
    """Of each server the median and the maximum in ms, and the ratio of the medians."""
    theirs, ours = (statistics.median(each) for each in measured)
    cells = [f"{statistics.median(each) * 1e3:.0f} ({max(each) * 1e3:.0f})" for each in measured]
    return (name, *cells, f"{ours / theirs:.3f}")


def add_options(parser: argparse.ArgumentParser) -> None:
    """``--times``: how often each is measured."""
    parser.add_argument("--times", type=int, default=15)


def run(options: argparse.Namespace) -> str:
    """Measure, the two servers by turns; returns Markdown."""
    times = options.times
    with tempfile.TemporaryDirectory() as scratch:
        folder, library = Path(scratch) / "project", Path(scratch) / "library"
        folder.mkdir()
        library.mkdir()
        (library / "slow_library.py").write_text(_LIBRARY)
        bare, heavy = Project(folder, _APP), Project(folder, _HEAVY)
        for server in SERVERS:
            start(server, bare, free_port())  # Bytecode is written, files are cached.
        starts: dict[Server, list[float]] = {server: [] for server in SERVERS}
        for _ in range(times):
            for server in SERVERS:
                starts[server].append(start(server, bare, free_port()))
        rows = [
            _row("start to first answer", [starts[server] for server in SERVERS]),
            _row("save to new answer", [saves(each, bare, free_port(), times) for each in SERVERS]),
            _row(
                "save to new answer, 1.5 s of library imports",
                [saves(each, heavy, free_port(), times) for each in SERVERS],
            ),
        ]
    header = ["median (maximum) of each, ms", *(server.name for server in SERVERS), "ratio"]
    return f"{table(header, rows)}\n\n{times} times each. {machine()}"


def free_port() -> int:
    """A port that nobody listens on now."""
    from pytest_flash.runner.serving.listening_sockets import listen

    with listen("127.0.0.1", 0) as free:
        port: int = free.getsockname()[1]
        return port
