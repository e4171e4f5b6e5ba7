"""A downstream project for the plugin's tests, and what guards its connections."""

from __future__ import annotations

import json
import subprocess
import textwrap
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from tests.support.environment import clean_environment
from tests.support.innerrun import InnerRun
from tests.support.processes import Process, descendants

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

    def __init__(self, folder: Path, guard: Path, python: Python) -> None:
        self.folder = folder
        self.python = python
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

    def watched(
        self, *arguments: str, timeout: float = 120, **variables: str
    ) -> tuple[pytest.RunResult, set[Process]]:
        """As ``pytest``, with every process that the run was seen to start."""
        tree: set[Process] = set()
        output = self.folder.parent / "output"
        with output.open("wb") as file:
            run = self.start(*arguments, output=file, **variables)
            try:
                deadline = time.monotonic() + timeout
                while run.poll() is None and time.monotonic() < deadline:
                    tree |= descendants(run.pid)
                    time.sleep(0.05)  # The interval of a wait that has a deadline.
                code = run.wait(1)
            finally:
                run.kill()
                run.wait()
        return pytest.RunResult(code, output.read_text().splitlines(), [], 0.0), tree

    def pytest(
        self,
        *arguments: str,
        timeout: float = 120,
        env: Mapping[str, str] | None = None,
        **variables: str,
    ) -> pytest.RunResult:
        """Run pytest in the project and wait, for up to ``timeout`` seconds.

        ``env`` and ``variables`` are added to its environment.
        """
        guard = {"PYTHONPATH": str(self._guard), "GUARD_LOG": str(self._log)}
        done = subprocess.run(
            self._command(arguments),
            cwd=self.folder,
            env=clean_environment(**guard, **(env or {}), **variables),
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        out, err = done.stdout.splitlines(), done.stderr.splitlines()
        return pytest.RunResult(done.returncode, out, err, 0.0)

    def report(self, *arguments: str, env: Mapping[str, str] | None = None) -> InnerRun:
        """As ``pytest``; what became of each test, for several of ours to look at."""
        report = self.folder.parent / f"{self.folder.name}.xml"
        report.unlink(missing_ok=True)
        result = self.pytest(f"--junitxml={report}", *arguments, timeout=300, env=env)
        return InnerRun.of(result, report)

    def start(
        self, *arguments: str, output: IO[bytes] | None = None, **variables: str
    ) -> subprocess.Popen[bytes]:
        """Start pytest in the project, in a session of its own; ``output`` gets what it prints."""
        return subprocess.Popen(
            self._command(arguments),
            cwd=self.folder,
            env=clean_environment(**variables),
            stdout=output or subprocess.DEVNULL,
            stderr=subprocess.STDOUT if output else None,
            start_new_session=True,
        )

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        for argument in arguments:
            for start, module in _NEEDED.items():
                if argument.startswith(start):
                    self.python.need(module)
        return [self.python.path, "-m", "pytest", *PLAIN, *arguments]

    @property
    def _log(self) -> Path:
        return self._guard / "connections.jsonl"

    def hosts(self) -> set[str]:
        """Every host that a process of the run connected to or looked up."""
        if not self._log.exists():
            return set()
        return {json.loads(line)[2] for line in self._log.read_text().splitlines()}


NewProject = Callable[[], Project]
