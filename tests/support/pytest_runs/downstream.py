"""A downstream project for the plugin's tests, and what guards its connections."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import textwrap
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from tests.support.environment import clean_environment
from tests.support.pytest_runs.forks import Forks, Run
from tests.support.pytest_runs.inner_run import InnerRun
from tests.support.system.processes import Process, wait_until

APP = """\
import os
from fastapi import FastAPI
from pytest_flash import CpuLiveServerless, LiveServerless, remote

app = FastAPI()

@remote(LiveServerless(name="gpu"))
def double(x):
    import os
    return {"value": x * 2, "pid": os.getpid()}

@app.get("/double/{x}")
async def doubled(x: int):
    return await double(x)
"""

# pytest-asyncio warns where its loop scope is not set, hypothesis and anyio (which imports trio)
# take 0.4 s of each run to be imported. Tests that want one say so: "-p pytest_asyncio.plugin".
PLAIN = tuple(
    argument
    for name in ("cacheprovider", "asyncio", "hypothesispytest", "anyio")
    for argument in ("-p", f"no:{name}")
)
ANYIO = ("-p", "anyio.pytest_plugin")

# Writes down every address that a Python process connects to, in every process it is loaded in.
# uvloop connects without Python's knowledge, so it is kept out.
_GUARD = """\
import json, os, sys
sys.modules["uvloop"] = None
def hook(event, args):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
        address = args[1] if event != "socket.getaddrinfo" else args[0]
        if isinstance(address, (str, bytes)) and event != "socket.getaddrinfo":
            return
        host = address[0] if isinstance(address, tuple) else address
        with open(os.environ["GUARD_LOG"], "a") as log:
            log.write(json.dumps([os.getpid(), event, str(host)]) + chr(10))
sys.addaudithook(hook)
"""


# For tests of functions: a worker of pytest-xdist takes half of its time to import FastAPI, httpx
# and what belongs to them.
NO_APP = """
import pytest

@pytest.fixture(scope="session")
def flash_app(flash_session):
    import main
"""


# What the Python of a project must have, where an argument of pytest begins so.
_NEEDED = {
    "-n": "xdist",
    "--reruns": "pytest_rerunfailures",
    "--cov": "pytest_cov",
    "--timeout": "pytest_timeout",
    "pytest_asyncio": "pytest_asyncio",
}


@dataclass(frozen=True)
class Python:
    """An interpreter with pytest-flash, and which other packages it has."""

    path: str
    modules: frozenset[str]

    @classmethod
    def at(cls, path: str) -> Python:
        """Ask the interpreter at ``path``."""
        names = [*_NEEDED.values(), "trio"]
        # A folder that an uninstalled package left behind has no origin.
        found = f"[n for n in {names!r} if (spec := find_spec(n)) and spec.origin]"
        code = f"from importlib.util import find_spec; print(*{found})"
        done = subprocess.run(
            [path, "-c", code], capture_output=True, text=True, check=True, timeout=60
        )
        return cls(path, frozenset(done.stdout.split()))

    def need(self, module: str) -> None:
        """Skip the test where ``module`` is missing."""
        if module not in self.modules:
            pytest.skip(f"{self.path} has no {module}")


class Project:
    """A folder with an app, whose tests run in a pytest of their own."""

    def __init__(self, folder: Path, guard: Path, python: Python, forks: Forks) -> None:
        self.folder = folder
        self.python = python
        self._forks = forks
        self._guard = guard
        self._guard.mkdir()
        (self._guard / "sitecustomize.py").write_text(_GUARD)
        self.write("main.py", APP)
        self.write("pytest.ini", "[pytest]\nfilterwarnings = error\n")

    def write(self, name: str, text: str) -> None:
        """Write a file of the project; what all lines of ``text`` are indented by is left out."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))

    def pytest(
        self,
        *arguments: str,
        timeout: float = 120,
        env: Mapping[str, str] | None = None,
        fresh: bool = False,
        leaving_nothing: bool = False,
        **variables: str,
    ) -> pytest.RunResult:
        """Run pytest in the project and wait, for up to ``timeout`` seconds.

        ``env`` and ``variables`` are added to its environment. ``fresh`` is as in ``start``. Fails
        if it was to leave nothing, and a process that the run started does not end soon after it.
        """
        before = self.left() if leaving_nothing else set()
        guard = {"PYTHONPATH": str(self._guard), "GUARD_LOG": str(self._log)}
        out, err = (self.folder.parent / name for name in ("stdout", "stderr"))
        with out.open("wb") as output, err.open("wb") as errors:
            environment = {**guard, **(env or {}), **variables}
            run = self._start(arguments, environment, output, errors, fresh=fresh)
            with ending(run):
                code = _ended(run, timeout, out)
        if leaving_nothing:
            wait_until(lambda: self.left() <= before, 60, "the end of what the run started")
        return pytest.RunResult(
            code, out.read_text().splitlines(), err.read_text().splitlines(), 0.0
        )

    def left(self) -> set[Process]:
        """The processes that runs of this and other projects have left behind."""
        return self._forks.left()

    def report(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        fresh: bool = False,
        leaving_nothing: bool = False,
    ) -> InnerRun:
        """As ``pytest``; what became of each test, for several of ours to look at."""
        report = self.folder.parent / f"{self.folder.name}.xml"
        report.unlink(missing_ok=True)
        result = self.pytest(
            f"--junitxml={report}",
            *arguments,
            timeout=300,
            env=env,
            fresh=fresh,
            leaving_nothing=leaving_nothing,
        )
        return InnerRun.of(result, report)

    @contextlib.contextmanager
    def reporting(self, *arguments: str) -> Iterator[Callable[[], InnerRun]]:
        """As ``report``, for a run that goes on beside others until the result is asked for."""
        report = self.folder.parent / f"{self.folder.name}.xml"
        run = self.start(f"--junitxml={report}", *arguments)

        def result() -> InnerRun:
            code = _ended(run, 300, self._output)
            return InnerRun.of(pytest.RunResult(code, self.printed.splitlines(), [], 0.0), report)

        with ending(run):
            yield result

    def start(
        self, *arguments: str, env: Mapping[str, str] | None = None, fresh: bool = False
    ) -> Run:
        """Start pytest in the project, in a session of its own; ``printed`` is what it prints.

        By default it is forked from a process that has imported what runs import. A ``fresh``
        one is a new interpreter that has imported nothing; so are its workers of pytest-xdist.
        """
        with self._output.open("wb") as output:
            return self._start(arguments, env or {}, output, output, fresh=fresh)

    @contextlib.contextmanager
    def under_way(
        self,
        *arguments: str,
        until: Collection[str] = ("ready",),
        env: Mapping[str, str] | None = None,
    ) -> Iterator[Run]:
        """A run that has come to where its tests create the files ``until``; killed at the end."""
        files = [self.folder / name for name in until]
        for file in files:
            file.unlink(missing_ok=True)
        run = self.start(*arguments, env=env)
        with ending(run):
            wait_until(
                lambda: all(each.exists() for each in files) or run.poll() is not None,
                120,
                "the tests to be under way",
            )
            assert run.poll() is None, self.printed
            yield run

    @property
    def printed(self) -> str:
        """What the last run that ``start`` started has printed."""
        return self._output.read_text()

    def _start(
        self,
        arguments: tuple[str, ...],
        variables: Mapping[str, str],
        output: IO[bytes],
        errors: IO[bytes],
        *,
        fresh: bool,
    ) -> Run:
        for argument in arguments:
            for start, module in _NEEDED.items():
                if argument.startswith(start):
                    self.python.need(module)
        options = [*PLAIN, *arguments]
        environment = clean_environment(**variables)
        if fresh or sys.platform != "linux":
            return subprocess.Popen(
                [self.python.path, "-m", "pytest", *options],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )
        return self._forks.start(
            options,
            cwd=self.folder,
            env=environment,
            output=output,
            errors=errors,
            nursery=any(each.startswith("-n") for each in arguments),
        )

    @property
    def _output(self) -> Path:
        return self.folder.parent / "output"

    @property
    def _log(self) -> Path:
        return self._guard / "connections.jsonl"

    def hosts(self) -> set[str]:
        """Every host that a process of the run connected to or looked up."""
        if not self._log.exists():
            return set()
        return {json.loads(line)[2] for line in self._log.read_text().splitlines()}


NewProject = Callable[[], Project]


def _ended(run: Run, timeout: float, output: Path) -> int:
    """The exit code of ``run``; fails with what it has printed if it does not end in time."""
    try:
        return run.wait(timeout)
    except subprocess.TimeoutExpired:
        pytest.fail(f"pytest did not end within {timeout:g} s\n{output.read_text()}")


@contextlib.contextmanager
def ending(run: Run) -> Iterator[None]:
    """Kill ``run`` at the end, if it has not ended by then."""
    try:
        yield
    finally:
        run.kill()
        run.wait()
