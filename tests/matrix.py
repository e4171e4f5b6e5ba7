"""Runs the plugin's tests beside other versions and plugins: ``python -m tests.matrix [NAME ...]``.

Each environment is made anew in a temporary folder, which bytecode goes to as well; the projects
that the tests write run on it, the tests themselves on this Python. With the oldest and the newest
dependencies all tests run there themselves. ``neighbours`` has a suite of its own, for other
plugins and tools that users' tests have.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
import venv
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from tests.neighbours import table
from tests.support.environment import ROOT

NEIGHBOURS = "neighbours"
OLDEST, NEWEST = "pytest==8.4.0", "pytest"
OTHERS = ("pytest-xdist", "pytest-asyncio", "pytest-cov", "pytest-rerunfailures", "pytest-timeout")
TRIO = "trio"

ENVIRONMENTS = {
    "oldest-alone": (OLDEST,),
    "oldest": (OLDEST, *OTHERS, TRIO),
    "newest-alone": (NEWEST,),
    "newest": (NEWEST, *OTHERS, TRIO),
    **{f"with-{name}": (NEWEST, name) for name in OTHERS},
}

# By the versions of pytest-flash's own dependencies.
OLDEST_DEPENDENCIES, NEWEST_DEPENDENCIES = "oldest-dependencies", "newest-dependencies"

# Seconds: of one test, after which stacks are shown, and of a whole environment.
_HANGS = 300
_LIMIT = 3600.0


@dataclass(frozen=True)
class Outcome:
    """How one environment ended: its last line, seconds, and the exit status of pytest."""

    name: str
    line: str
    seconds: float
    status: int

    def __str__(self) -> str:
        said = "passed" if self.status == 0 else f"FAILED ({self.status})"
        return f"{self.name:28}  {said:11}  {self.seconds:5.0f} s  {self.line.strip('= ')}"


def main() -> int:
    """Run every environment that was named, by default all; 1 when one has failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description=__doc__)
    known = (*ENVIRONMENTS, OLDEST_DEPENDENCIES, NEWEST_DEPENDENCIES, NEIGHBOURS)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument(
        "--tests", nargs="*", help="files or folders (tests/plugin; all tests for dependencies)"
    )
    options = parser.parse_args()
    unknown = set(options.names) - set(known)
    if unknown:
        parser.error(f"no environment {', '.join(sorted(unknown))}; see --help")
    outcomes = []
    wanted = options.names or known
    for name in (each for each in wanted if each != NEIGHBOURS):
        packages = _packages(name)
        print(f"== {name}: {', '.join(packages)}", flush=True)
        outcomes.append(_run(name, packages, options.tests))
    print("", *outcomes, sep="\n")
    failed = any(each.status for each in outcomes)
    failed = (NEIGHBOURS in wanted and bool(table.run())) or failed
    return 1 if failed else 0


def _packages(name: str) -> tuple[str, ...]:
    """What is installed beside pytest-flash, or instead of what pip would choose for it."""
    if name in ENVIRONMENTS:
        return ENVIRONMENTS[name]
    tests = f"{ROOT}[test]"
    return (tests,) if name == NEWEST_DEPENDENCIES else (tests, *oldest_dependencies())


def oldest_dependencies() -> tuple[str, ...]:
    """The oldest versions that pytest-flash says it works with, on this Python."""
    found = []
    for text in metadata.requires("pytest-flash") or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            oldest = next(each for each in requirement.specifier if each.operator == ">=")
            found.append(f"{requirement.name}=={oldest.version}")
    return tuple(found)


def _run(name: str, packages: tuple[str, ...], tests: list[str] | None) -> Outcome:
    """Make the environment and run ``tests``, whose output is passed on."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="flash-matrix-") as folder:
        python = _make(Path(folder, "environment"), packages)
        ours = name in ENVIRONMENTS
        command = [sys.executable if ours else str(python), "-m", "pytest", "-q", "-rs"]
        command += ["-p", "no:cacheprovider", "-o", f"faulthandler_timeout={_HANGS}"]
        command += [f"--plugin-python={python}"] if ours else []
        process = subprocess.Popen(
            [*command, *(tests or (["tests/plugin"] if ours else ["tests"]))],
            cwd=ROOT,
            env=os.environ | {"PYTHONPYCACHEPREFIX": str(Path(folder, "bytecode"))},
            stdout=subprocess.PIPE,
            text=True,
        )
        limit = threading.Timer(_LIMIT, process.kill)
        limit.start()
        last = "no output"
        with process:
            assert process.stdout is not None
            for line in process.stdout:
                print(line, end="", flush=True)
                last = line.strip() or last
        limit.cancel()
    return Outcome(name, last, time.monotonic() - started, process.returncode)


def _make(folder: Path, packages: tuple[str, ...]) -> Path:
    """A Python with pytest-flash, from here, and ``packages``."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "-q", "-e", str(ROOT), *packages]
    subprocess.run(install, check=True)
    return python


if __name__ == "__main__":
    sys.exit(main())
