"""How remote functions look to a user's type checker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_GOOD = """
from collections.abc import Coroutine
from typing import Any

from pytest_flash import JobHandle, LiveServerless, remote

gpu = LiveServerless(name="x")

@remote(gpu, dependencies=["numpy"])
def add(a: int, b: int = 2) -> float:
    return a + b

@remote(gpu)
async def join(*parts: str) -> str:
    return "".join(parts)

@remote(gpu)
class Model:
    def __init__(self, name: str) -> None:
        self.name = name

    async def predict(self, x: int) -> bytes:
        return b""

    async def __call__(self, x: int) -> str:
        return ""

    def plain(self, x: int) -> str:
        return ""

@remote(gpu)
def every(a: int, /, b: str = "", *rest: int, c: bool, **more: float) -> list[int]:
    return []

async def main() -> None:
    total: float = await add(1, b=2)
    text: str = await join("a", "b")
    handle: JobHandle[float] = await add.spawn(1)
    result: float = await handle.result(timeout=1.0)
    state: str = await handle.status()
    async for each in add.map([1, 2], concurrency=2):
        rounded: int = round(each)
    prediction: bytes = await Model("m").predict(1)
    called: str = await Model("m")(1)
    numbers: list[int] = await every(1, "x", 2, 3, c=True, more=1.0)

here: float = add.local(1, 2)
coming: Coroutine[Any, Any, str] = join.local("a")
blocked: str = join.blocking("a")

async def wrong() -> None:
"""
_BAD = [
    'await add("1")',
    "await add(1, c=2)",
    "a: str = await add(1)",
    "await join(1)",
    "b: str = await (await add.spawn(1)).result()",
    "await add.spawn()",
    'add.local("1")',
    "c: str = join.local('a')",
    "add.blocking(b=1)",
    'await Model("m").predict("x")',
    "Model(1)",
    # Declared without async: what a type checker sees of a class is the class.
    'await Model("m").plain(1)',
    "await every(a=1, c=True)",
    'await every(1, "x", "y", c=True)',
    "await every(1)",
    "await every(1, c=True, d='x')",
]


@pytest.mark.parametrize("plugins", ["", "plugins = pydantic.mypy"], ids=["plain", "plugin"])
def test_mypy_knows_arguments_and_results(tmp_path: Path, plugins: str) -> None:
    source = tmp_path / "user.py"
    source.write_text(_GOOD + "\n".join(f"    {each}" for each in _BAD) + "\n")
    (tmp_path / "mypy.ini").write_text(f"[mypy]\nstrict = true\n{plugins}\n")
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", source.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    first_bad = _GOOD.count("\n") + 1
    wrong = {line.split(":")[1] for line in ran.stdout.splitlines() if ": error:" in line}
    expected = {str(first_bad + index) for index in range(len(_BAD))}
    assert wrong == expected, ran.stdout + ran.stderr
