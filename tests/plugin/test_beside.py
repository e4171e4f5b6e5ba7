"""Beside other plugins: pytest-cov, pytest-rerunfailures, pytest-timeout, and without them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.processes import descendants, wait_gone, wait_until

Passes = Callable[..., None]
USES_IT = (
    "def test_it(flash_client):\n    assert flash_client.get('/double/1').json()['value'] == 2\n"
)
OTHERS = ("xdist", "pytest_cov", "rerunfailures", "timeout", "anyio")


@pytest.mark.parametrize("without", [OTHERS, *((name,) for name in OTHERS)])
def test_other_plugins_are_not_needed(
    project: Any, passes: Passes, without: tuple[str, ...]
) -> None:
    project.write("test_app.py", USES_IT)
    passes(project.pytest(*(f"-pno:{name}" for name in without)), passed=1)


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["alone", "xdist"])
def test_the_apps_code_is_covered(project: Any, passes: Passes, workers: tuple[str, ...]) -> None:
    project.write("test_app.py", USES_IT)
    result = project.pytest("--cov=main", "--cov-report=term-missing", *workers)
    passes(result, passed=1)
    # The handler ran here, the function's own lines on a worker.
    (line,) = (each for each in result.outlines if each.startswith("main.py"))
    assert re.search(r"9-10$", line), line


def test_a_rerun_has_its_own_jobs_and_the_same_emulator(project: Any, passes: Passes) -> None:
    project.write(
        "test_app.py",
        "import pathlib\n"
        "def test_it(flash_client, flash_jobs):\n"
        "    flash_client.get('/double/1')\n"
        "    assert len(flash_jobs) == 1\n"
        "    tries = pathlib.Path('tries')\n"
        "    with tries.open('a') as file: file.write(flash_jobs[0].worker_id + ' ')\n"
        "    assert len(tries.read_text().split()) == 3\n",
    )
    result = project.pytest("--reruns=3")
    passes(result, passed=1)
    assert "2 rerun" in result.outlines[-1]
    assert len(set((project.folder / "tries").read_text().split())) == 1


HANGS = """
import asyncio, threading, time
import pytest
from pytest_flash import LiveServerless, remote
from pytest_flash.errors import JobCancelledError

@remote(LiveServerless(name="gpu"))
def linger():
    import time
    time.sleep(600)

def call():
    with pytest.raises(JobCancelledError):
        asyncio.run(linger())

def test_warm(flash_client):
    flash_client.get("/double/1")

@pytest.mark.timeout(5, func_only=True)
def test_hangs(flash_client):
    open("ready", "w").close()
    threading.Thread(target=call, daemon=True).start()
    time.sleep(600)
"""


def test_a_timeout_tells_where_it_hangs(project: Any, passes: Passes) -> None:
    project.write("test_app.py", HANGS)
    result = project.pytest("--timeout=100", "--timeout-method=signal")
    passes(result, passed=1, failed=1)
    text = "\n".join(result.outlines)
    assert "Timeout" in text
    assert re.search(r"linger on live-gpu: job \S+ is IN_PROGRESS", text)
    assert "in linger" in text


def test_a_timeout_that_ends_the_process_leaves_none(project: Any) -> None:
    project.write("test_app.py", HANGS)
    run = project.start("--timeout=100", "--timeout-method=thread")
    try:
        wait_until((project.folder / "ready").exists, 100, "the test to be under way")
        tree = descendants(run.pid)
        assert len(tree) >= 3  # pytest, the emulator and a worker.
        assert run.wait(60) == 1
        wait_gone(tree, 30)
    finally:
        run.kill()
        run.wait()


def test_a_monkeypatched_app_module_is_what_handlers_see(project: Any, passes: Passes) -> None:
    project.write(
        "main.py",
        "from fastapi import FastAPI\napp = FastAPI()\nname = 'till'\n"
        "@app.get('/')\ndef index():\n    return name\n",
    )
    project.write(
        "test_app.py",
        "import main\n"
        "def test_patched(flash_client, monkeypatch):\n"
        "    monkeypatch.setattr(main, 'name', 'patched')\n"
        "    assert flash_client.get('/').json() == 'patched'\n"
        "def test_restored(flash_client):\n"
        "    assert flash_client.get('/').json() == 'till'\n",
    )
    passes(project.pytest(), passed=2)
