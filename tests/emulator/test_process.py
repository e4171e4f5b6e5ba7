"""A worker's process group, watched to its end."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from pytest_flash.emulator.process import spawn
from tests.emulator.harness import is_alive, until

WORKER = "sleep 60 & echo $!; printf unfinished; exit 3"


async def watched(folder: Path) -> tuple[int, list[str]]:
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    lines: list[str] = []
    process = spawn(["sh", "-c", WORKER], dict(os.environ), folder)
    process.watch(asyncio.get_running_loop(), exited=ended.set_result, printed=lines.append)
    return await asyncio.wait_for(ended, 10), lines


@pytest.mark.parametrize("absent", ["nothing", "pidfd_open", "pidfd_open and waitid"])
def test_an_end_is_noticed_by_what_the_system_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, absent: str
) -> None:
    for name in absent.split(" and "):
        monkeypatch.delattr(os, name, raising=False)
    code, lines = asyncio.run(watched(tmp_path))
    assert code == 3
    child = int(lines[0])
    assert lines[1:] == ["unfinished"]
    until(lambda: is_alive(child), lambda alive: not alive)
