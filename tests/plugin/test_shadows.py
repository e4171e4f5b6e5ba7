"""A test run beside modules that are called like Python's, and like packages that we need."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.system.traps import Traps

TESTS = """\
import asyncio, pytest, main

async def ask(client):
    return (await client.get("/double/2")).json()["value"]

def test_clients(flash_client, flash_async_client, flash_jobs):
    assert flash_client.get("/double/1").json()["value"] == 2
    assert asyncio.run(ask(flash_async_client)) == 4
    assert len(flash_jobs) == 2

def test_calls(flash_endpoints):
    assert main.double.blocking(3)["value"] == 6
    with pytest.raises(TypeError):
        main.double.blocking({})

def test_faults(flash_endpoints, flash_emulator):
    assert main.double.blocking(3)["value"] == 6
"""


def test_nothing_of_ours_takes_them_for_pythons(
    project: Any, passes: Callable[..., None], tmp_path: Path
) -> None:
    traps = Traps(project.folder, tmp_path / "sprung")
    project.write("test_app.py", TESTS)
    passes(project.pytest("-W", "ignore"), passed=3)
    assert traps.sprung() == []


def test_a_module_that_is_called_like_one_of_pythons_travels(
    project: Any, passes: Callable[..., None]
) -> None:
    project.write("resource.py", "NAME = 'mine'\n")
    project.write("profile.py", "NAME = 'mine too'\n")
    project.write(
        "test_app.py",
        "import profile, resource\n"
        "from pytest_flash import CpuLiveServerless, remote\n"
        "@remote(CpuLiveServerless(name='names'))\n"
        "def names():\n    import statistics\n"
        "    return resource.NAME, profile.NAME, statistics.mean([1, 3])\n"
        "def test_it(flash_endpoints):\n"
        "    assert names.blocking() == names.local() == ('mine', 'mine too', 2)\n",
    )
    passes(project.pytest(fresh=True), passed=1)
