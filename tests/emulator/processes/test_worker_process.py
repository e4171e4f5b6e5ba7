"""A worker's process group, watched to its end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from pytest_flash.emulator.processes.worker_process import spawn
from tests.emulator.harness import is_alive, until

WORKER = "sleep 60 & echo $!; printf unfinished; exit 3"
PRINTER = """
import os, time
page = (b"x" * 127 + b"\\n") * 32  # which fill the pipe to its last byte
end = time.monotonic() + 10
while time.monotonic() < end:
    os.write(1, page)
open("printed all", "w").close()
"""


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


async def killed_while_it_prints(folder: Path) -> int:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()
    begun = asyncio.Event()

    def printed(_: str) -> None:
        begun.set()
        time.sleep(0.001)  # so that there is always more than was read

    process = spawn([sys.executable, "-c", PRINTER], dict(os.environ), folder)
    process.watch(loop, exited=ended.set_result, printed=printed)
    await asyncio.wait_for(begun.wait(), 10)
    for _ in range(10):
        await asyncio.sleep(0)
    process.kill()
    return await ended


def test_a_worker_that_prints_without_end_leaves_the_event_loop_to_others(tmp_path: Path) -> None:
    assert asyncio.run(killed_while_it_prints(tmp_path)) == -signal.SIGKILL
    assert not (tmp_path / "printed all").exists()
