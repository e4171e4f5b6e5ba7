"""Projects of many modules: what their size costs ``flash run`` and the calls of functions."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.dev_server import (
    FLASH,
    SETTLED,
    UVICORN,
    Project,
    Server,
    ask,
    free_port,
    running,
    save,
    until,
)
from tests.benchmarks.measure import table

SIZES = (20, 200, 1_000)
_FUNCTIONS = 5

_MODULE = '''\
"""Part {number}."""

import dataclasses
import json
import math
{imports}
LIMIT = {number}


@dataclasses.dataclass
class Record:
    name: str
    value: float = 0.0

    def scaled(self, by: float) -> float:
        return math.sqrt(abs(self.value * by)) + LIMIT


def weigh(depth: int) -> int:
    """The first of a few functions."""
    total = 0
    for each in range(3):
        total += each * LIMIT
    return total{below}


def read(text: str) -> float:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise TypeError("not a dict")
    return Record(found["name"], found.get("value", 0)).scaled(2)
'''
_FUNCTION = """\
@remote(RESOURCE)
async def work_{number}():
    return part_{part}.weigh(0)


@app.get("/call/{number}")
async def call_{number}():
    return await work_{number}()
"""
_WARM = """\
from pytest_flash import CpuLiveServerless, remote

RESOURCE = CpuLiveServerless(name="many", workersMin=1, workersMax=1)


@remote(RESOURCE)
async def warm():
    return 0
"""
_HEAD = """\
from fastapi import FastAPI
from pytest_flash import remote
from warm import RESOURCE, warm
{imports}

app = FastAPI()
VALUE = 0


@app.get("/")
def index():
    return VALUE


@app.get("/warm")
async def call_warm():
    return await warm()


"""


@dataclass(frozen=True)
class Timing:
    """Of a project, in seconds: from the start, or a save, to the first answer; and calls. Only
    ``flash run`` has these: the first ones of two functions, and one after a save of a module."""

    start: float
    save: float
    first: float | None = None
    further: float | None = None
    after_save: float | None = None


def write(folder: Path, modules: int) -> Project:
    """A project of so many modules, all of which the app imports: each imports two others."""
    parts = folder / "parts"
    parts.mkdir(parents=True)
    (parts / "__init__.py").touch()
    for number in range(modules):
        below = sorted({number // 2, number // 3} - {number})
        imports = "".join(f"from . import part_{each}\n" for each in below)
        calls = "".join(f" + (part_{each}.weigh(depth + 1) if depth < 2 else 0)" for each in below)
        text = _MODULE.format(number=number, imports=imports, below=calls)
        (parts / f"part_{number}.py").write_text(text)
    (folder / "warm.py").write_text(_WARM)
    imports = "\n".join(f"from parts import part_{number}" for number in range(modules))
    used = [(number + 1) * modules // _FUNCTIONS - 1 for number in range(_FUNCTIONS)]
    functions = (_FUNCTION.format(number=n, part=part) for n, part in enumerate(used))
    return Project(folder, _HEAD.format(imports=imports) + "\n\n".join(functions))


def timing(server: Server, project: Project) -> Timing:
    """How ``server`` does with ``project``."""
    port, began = free_port(), time.perf_counter()
    with running(server, project, port):
        started = time.perf_counter() - began
        first = further = None
        if server is FLASH:
            ask(port, "/warm")  # The emulator and the worker have started.
            first, *others = (_call(port, number) for number in range(_FUNCTIONS - 1))
            further = statistics.median(others)
        time.sleep(SETTLED)
        saved = save(project, port, 1)
        return Timing(started, saved, first, further, _after_save(server, project, port))


def _call(port: int, number: int) -> float:
    began = time.perf_counter()
    answer = ask(port, f"/call/{number}")
    assert answer is not None
    assert answer.isdigit(), answer
    return time.perf_counter() - began


def _after_save(server: Server, project: Project, port: int) -> float | None:
    """Seconds from the save of the module that a function uses to its first new result."""
    if server is not FLASH:
        return None
    path = f"/call/{_FUNCTIONS - 1}"
    before = ask(port, path)
    assert before is not None
    assert before.isdigit(), before
    time.sleep(SETTLED)
    parts = (project.folder / "parts").glob("part_*.py")
    part = max(parts, key=lambda each: int(each.stem.partition("_")[2]))
    part.write_text(part.read_text().replace("range(3)", "range(4)"))
    began = time.perf_counter()
    until(lambda: ask(port, path) not in (None, before))
    return time.perf_counter() - began


def projects_table(sizes: Sequence[int]) -> str:
    """Projects of these ``sizes``, as Markdown."""
    rows = []
    for modules in sizes:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "project"
            project = write(folder, modules)
            with running(UVICORN, project, free_port()):
                pass  # Bytecode is written, files are cached.
            theirs, ours = timing(UVICORN, project), timing(FLASH, project)
        calls = (ours.first, ours.further, ours.after_save)
        times = (theirs.start, ours.start, theirs.save, ours.save, *calls)
        rows.append([f"{modules:,}", *(f"{each * 1e3:.0f}" for each in times if each is not None)])
    header = ["modules", "start: `uvicorn --reload`, ms", "`flash run`, ms"]
    header += ["save: `uvicorn --reload`, ms", "`flash run`, ms"]
    header += ["first call, ms", "of a further function, ms", "after a save, ms"]
    return table(header, rows)
