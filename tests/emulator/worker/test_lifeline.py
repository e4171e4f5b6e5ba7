"""No worker, and nothing it started, outlives the emulator."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import pytest_flash.emulator.worker
from tests.emulator.worker.platform import Platform, WorkerProcess, function_request, wait_for
from tests.support.system.processes import descendants, wait_gone

LIFELINE = Path(pytest_flash.emulator.worker.__file__).parent / "lifeline.py"


@pytest.mark.parametrize(
    "work",
    [
        "while True: pass",
        "time.sleep(60)",
        # Holds the interpreter's lock forever: no thread of Python's runs meanwhile.
        pytest.param(
            "import re; re.match('(a+)+$', 'a' * 60 + 'b')",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's kernel"),
        ),
    ],
)
def test_the_end_of_the_lifeline_ends_a_busy_worker_and_its_children(
    platform: Platform, start_worker: Callable[..., WorkerProcess], work: str
) -> None:
    worker = start_worker()
    code = f"""
        import multiprocessing, pathlib, subprocess, time

        def f():
            subprocess.Popen(["sleep", "60"])
            multiprocessing.get_context("fork").Process(target=time.sleep, args=[60]).start()
            pathlib.Path("running").touch()
            {work}
    """
    platform.submit(function_request(code))
    wait_for((worker.home / "running").exists)
    family = descendants(worker.process.pid)
    assert len(family) == 3
    worker.cut_lifeline()
    assert worker.process.wait(30) == -signal.SIGKILL
    wait_gone(family, 30)


def test_the_end_of_the_lifeline_ends_an_idle_worker(
    platform: Platform, start_worker: Callable[..., WorkerProcess]
) -> None:
    worker = start_worker()
    assert platform.taking.wait(30)
    worker.cut_lifeline()
    assert worker.process.wait(30) == -signal.SIGKILL


def test_children_do_not_keep_the_lifeline(
    platform: Platform, start_worker: Callable[..., WorkerProcess]
) -> None:
    start_worker()
    code = """
        import os, subprocess, sys

        def f():
            script = "import os; print(sorted(os.listdir('/dev/fd')), os.read(0, 1))"
            return subprocess.check_output([sys.executable, "-c", script], text=True)
    """
    # 3 is the listing's own descriptor.
    assert platform.call(code).value == "['0', '1', '2', '3'] b''\n"


@pytest.fixture
def pipe() -> tuple[int, int]:
    return os.pipe()


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 128 + signal.SIGTERM)]
)
def test_a_guarded_command_ends_with_its_own_code(
    pipe: tuple[int, int], script: str, code: int
) -> None:
    read, write = pipe
    command = [sys.executable, "-I", "-S", "-B", str(LIFELINE), "/bin/sh", "-c", script]
    assert subprocess.run(command, stdin=read, timeout=20, check=False).returncode == code
    os.close(read)
    os.close(write)


def test_a_guarded_command_dies_with_its_starter(pipe: tuple[int, int]) -> None:
    read, write = pipe
    command = [
        sys.executable,
        "-I",
        "-S",
        "-B",
        str(LIFELINE),
        "/bin/sh",
        "-c",
        "echo up; sleep 60",
    ]
    with subprocess.Popen(command, stdin=read, stdout=subprocess.PIPE) as process:
        os.close(read)
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        family = descendants(process.pid)
        os.close(write)
        assert process.wait(30) == -signal.SIGKILL
        wait_gone(family, 30)
