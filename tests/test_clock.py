"""Nothing of ours asks a clock that tests replace, as freezegun and time-machine do."""

from __future__ import annotations

import ast
import asyncio
import datetime
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_flash import clock
from pytest_flash.errors import ProvisioningError
from pytest_flash.process.event_loops import fastest_loop, run
from pytest_flash.process.exit_status import ends_within
from pytest_flash.process.loop_thread import LoopThread, outcome
from pytest_flash.provisioner.state.locks import held
from tests.test_layout import modules

# What runs on workers alone, where there are no tests.
_ON_WORKERS = ("functions.onworker.", "emulator.worker.")
_REPLACED = {
    "time": {"time", "monotonic", "perf_counter", "time_ns", "monotonic_ns", "perf_counter_ns"}
    | {"localtime", "gmtime", "strftime", "clock_gettime", "clock_gettime_ns"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}
FROZEN = 1.0


def asked(tree: ast.AST) -> Iterator[str]:
    """The clocks that tests replace, as ``tree`` names them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value
            name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
            if node.attr in _REPLACED.get(name, ()):
                yield f"{name}.{node.attr}"
        elif isinstance(node, ast.ImportFrom) and node.module == "time" and not node.level:
            yield from (f"time.{each.name}" for each in node.names if each.name != "sleep")


def test_no_module_asks_a_clock_that_tests_replace() -> None:
    found = {
        name: set(asked(ast.parse(file.read_text(encoding="utf-8"))))
        for name, file in modules().items()
        if name != "clock" and not name.startswith(_ON_WORKERS)
    }
    assert {name: clocks for name, clocks in found.items() if clocks} == {}


@pytest.mark.parametrize(
    "text",
    [
        "time.time()",
        "f(time.monotonic)",
        "datetime.datetime.now()",
        "from time import perf_counter",
    ],
)
def test_such_a_clock_is_found(text: str) -> None:
    assert list(asked(ast.parse(text)))


class _FrozenDatetime(datetime.datetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> _FrozenDatetime:
        return cls(1970, 1, 1, tzinfo=tz)


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Time stands still, as freezegun has it: in ``time``, and in whatever module has saved one."""
    real = {id(getattr(time, name)): name for name in dir(time) if name in _REPLACED["time"]}
    fake: dict[str, Any] = {
        name: (lambda *_: 10**9) if name.endswith("_ns") else (lambda *_: FROZEN)
        for name in _REPLACED["time"] - {"clock_gettime", "clock_gettime_ns"}
    }
    # As freezegun itself spares the modules that threads wait with.
    spared = ("time", "threading", "queue", "_pytest", "multiprocessing", __name__)
    with monkeypatch.context() as patch:
        for module in list(sys.modules.copy().values()):
            if module.__name__.startswith(spared):
                continue
            for name, value in list(vars(module).items()):
                if id(value) in real and real[id(value)] in fake:
                    patch.setattr(module, name, fake[real[id(value)]])
                elif value is datetime.datetime:
                    patch.setattr(module, name, _FrozenDatetime)
        for name, value in fake.items():
            patch.setattr(time, name, value)
        yield


def test_our_clocks_go_on(frozen: None) -> None:
    before = clock.monotonic(), clock.wall_time_ns(), clock.utc_now()
    time.sleep(0.05)
    assert clock.monotonic() - before[0] >= 0.05
    assert clock.wall_time_ns() - before[1] > 10**7
    assert clock.utc_now() > before[2]
    assert time.monotonic() == FROZEN


def test_the_date_is_that_of_files(tmp_path: Path) -> None:
    tick = 20_000_000  # File systems have a coarser clock.
    before = clock.wall_time_ns()
    (tmp_path / "file").touch()
    assert before - tick <= (tmp_path / "file").stat().st_mtime_ns <= clock.wall_time_ns()
    assert clock.wall_time_ns() - tick <= time.time_ns() <= clock.wall_time_ns() + tick
    assert abs(clock.wall_time() - clock.utc_now().timestamp()) < 60


@pytest.mark.parametrize("new_loop", [None, fastest_loop])
def test_timers_of_our_loops_run(frozen: None, new_loop: Any) -> None:
    async def sleeps() -> str:
        await asyncio.sleep(0.02)
        await asyncio.wait_for(asyncio.sleep(0.02), 10)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.sleep(60), 0.02)
        return "done"

    done: list[str] = []
    thread = threading.Thread(
        target=lambda: done.append(run(sleeps(), *filter(None, [new_loop]))), daemon=True
    )
    thread.start()
    thread.join(30)
    assert done == ["done"]


def test_a_cancelled_caller_whose_time_stands_still_is_let_go(frozen: None) -> None:
    loop, ended = LoopThread("calls"), threading.Event()

    async def stubborn() -> None:
        while not ended.is_set():
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                continue

    async def caller() -> None:
        task = asyncio.ensure_future(outcome(loop.submit(stubborn())))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()

    thread = threading.Thread(target=asyncio.run, args=(caller(),), daemon=True)
    thread.start()
    thread.join(30)
    ended.set()
    loop.stop()
    assert not thread.is_alive()


def test_a_process_that_goes_on_is_waited_for_no_longer(frozen: None) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert not ends_within(process, 0.05)
        process.kill()
        assert ends_within(process, 30)


def test_a_lock_that_is_held_is_waited_for_no_longer(frozen: None, tmp_path: Path) -> None:
    with (
        held(tmp_path / "lock", what="writing", timeout=30),
        pytest.raises(ProvisioningError, match=r"waited 0.1 s"),
        held(tmp_path / "lock", what="writing", timeout=0.1),
    ):
        pass
