"""The neighbours, how each is tried, and the table of the outcome."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.environment import ROOT, clean_environment

SUITE = Path(__file__).parent / "suite"
# Seconds, of one neighbour's run.
_LIMIT = 300
_OTHERS = ("python3.10", "python3.12", "python3.13", "python3.14")


@dataclass(frozen=True)
class Neighbour:
    """A package and the file of the suite that uses it.

    ``risky`` ones are tried on every Python. ``beside`` is what it needs itself, with the versions
    that it works with.
    """

    package: str
    file: str
    beside: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    risky: bool = False


NEIGHBOURS = (
    Neighbour("hypothesis", "beside_hypothesis.py", risky=True),
    Neighbour("freezegun", "beside_freezegun.py", risky=True),
    Neighbour("time-machine", "beside_time_machine.py", risky=True),
    Neighbour("pytest-httpx", "http/beside_pytest_httpx.py", risky=True),
    Neighbour("respx", "http/beside_respx.py"),
    Neighbour("responses", "http/beside_responses.py"),
    # aiohttp 3.14 is too new for aioresponses 0.7.9.
    Neighbour("aioresponses", "http/beside_aioresponses.py", ("aiohttp<3.14",)),
    Neighbour("pytest-recording", "http/beside_recording.py", ("pytest-httpserver",), risky=True),
    Neighbour("pyfakefs", "beside_pyfakefs.py", risky=True),
    Neighbour("pytest-socket", "beside_socket.py"),
    Neighbour("pytest-randomly", "beside_order.py", ("pytest-repeat",), ("-p", "randomly")),
    Neighbour("pytest-repeat", "beside_order.py", ("pytest-randomly",), ("--count=2",)),
    Neighbour("pytest-sugar", "beside_sugar.py", (), ("--force-sugar",)),
    Neighbour("pytest-playwright", "beside_playwright.py"),
    # pytest 9.2 is too new for schemathesis 4.32.
    Neighbour("schemathesis", "beside_schemathesis.py", ("pytest<9.2",)),
    Neighbour("pytest-httpserver", "beside_httpserver.py"),
    Neighbour("pytest-benchmark", "beside_benchmark.py"),
    Neighbour("syrupy", "beside_snapshots.py", (), ("--snapshot-update",)),
    Neighbour("pytest-mock", "beside_mock.py"),
    Neighbour("Faker", "beside_faker.py"),
    Neighbour("pytest-timeout", "beside_unittest.py"),
)
# What the suite's app and its configuration need.
_NEEDED = ("requests", "pytest-timeout", "pytest-asyncio", "pytest-xdist")


@dataclass(frozen=True)
class Row:
    """How one neighbour fared on one Python."""

    package: str
    version: str
    python: str
    line: str
    status: int

    def __str__(self) -> str:
        said = "passed" if self.status == 0 else f"FAILED ({self.status})"
        return f"| {self.package} | {self.version} | {self.python} | {said} | {self.line} |"


def run() -> int:
    """Try all on this Python, the riskiest in a worker of pytest-xdist too, where the first call is
    a test's own, and on the other Pythons that are found; 1 when one failed."""
    risky = [each for each in NEIGHBOURS if each.risky]
    apart = [replace(each, arguments=(*each.arguments, "-n1")) for each in risky]
    rows = [*_rows(sys.executable, (*NEIGHBOURS, *apart))]
    for python in _pythons():
        rows += _rows(python, risky)
    print(
        "", "| package | version | Python | outcome | |", "|---|---|---|---|---|", *rows, sep="\n"
    )
    return 1 if any(each.status for each in rows) else 0


def _pythons() -> Iterator[str]:
    """The other Pythons that start: on the search path, or installed beside this one."""
    for name in _OTHERS:
        if name == f"python{sys.version_info[0]}.{sys.version_info[1]}":
            continue
        beside = Path(sys.base_prefix).parent.glob(f"*/bin/{name}")
        candidates = [*filter(None, [shutil.which(name)]), *map(str, beside)]
        found = next(filter(_starts, candidates), None)
        if found is not None:
            yield found


def _starts(python: str) -> bool:
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0


def _rows(python: str, neighbours: Sequence[Neighbour]) -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="flash-neighbours-") as folder:
        made = _environment(python, Path(folder, "environment"), neighbours)
        shutil.copytree(SUITE, Path(folder, "suite"))
        for each in neighbours:
            yield _row(made, each, Path(folder, "suite"))


def _environment(python: str, folder: Path, neighbours: Sequence[Neighbour]) -> Path:
    """A Python with pytest-flash, installed as users have it, and all of ``neighbours``."""
    if python == sys.executable:
        venv.create(folder, with_pip=True)
    else:
        subprocess.run([python, "-m", "venv", str(folder)], check=True)
    made = folder / "bin" / "python"
    packages = {*_NEEDED, *(name for each in neighbours for name in (each.package, *each.beside))}
    install = [str(made), "-m", "pip", "install", "-q", str(ROOT), *sorted(packages)]
    subprocess.run(install, check=True)
    return made


def _row(python: Path, neighbour: Neighbour, suite: Path) -> Row:
    order = () if "randomly" in neighbour.arguments else ("-p", "no:randomly")
    command = [str(python), "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider"]
    arguments = [each for each in neighbour.arguments if each not in ("-p", "randomly")]
    if neighbour.package != "pytest-sugar":
        order = (*order, "-p", "no:sugar")
    try:
        done = subprocess.run(
            [*command, *order, *arguments, neighbour.file],
            cwd=suite,
            env=clean_environment(PYTHONDONTWRITEBYTECODE="1"),
            capture_output=True,
            text=True,
            timeout=_LIMIT,
            check=False,
        )
        output, status = done.stdout + done.stderr, done.returncode
    except subprocess.TimeoutExpired as error:
        output, status = f"{error}", -1
    if status != 0:
        print(output, flush=True)
    named = _run(python, f"import importlib.metadata as m; print(m.version({neighbour.package!r}))")
    number = _run(python, "import platform; print(platform.python_version())")
    shown = " ".join((neighbour.package, *neighbour.arguments))
    row = Row(shown, named, number, _last(output), status)
    print(row, flush=True)
    return row


def _run(python: Path, code: str) -> str:
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _last(output: str) -> str:
    """What pytest counted."""
    found = re.findall(r"\d+ (?:passed|failed|errors?|skipped|rerun)", output)
    return ", ".join(dict.fromkeys(found)) or "no outcome"
