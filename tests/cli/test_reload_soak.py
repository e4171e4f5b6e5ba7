"""Reloading again and again under load: nothing is lost, nothing is old, nothing grows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.support.runs.flash_run import FlashRun
from tests.support.runs.load import Load, stale
from tests.support.runs.saving import save
from tests.support.runs.shared_run import SharedRun, sharing
from tests.support.system.processes import Process, wait_until

APP = """\
from fastapi import FastAPI
app = FastAPI()
VALUE = 0
@app.get("/")
def index():
    return VALUE
"""
# Kilobytes: what a Python process may gain by chance.
NOISE = 16_000


@pytest.fixture
def saves(request: pytest.FixtureRequest) -> int:
    return 200 if request.config.getoption("soak") else 5


def descriptors(process: Process) -> int:
    return sum(1 for _ in Path(f"/proc/{process.pid}/fd").iterdir())


def kilobytes(process: Process) -> int:
    status = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    lines = [line.split() for line in status.splitlines()]
    return next(int(line[1]) for line in lines if line[0] == "Pss:")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedRun]:
    with sharing(tmp_path_factory.mktemp("shared"), "--host", "127.0.0.1") as served:
        yield served


def change(shared: SharedRun, value: int) -> None:
    save(shared.main, APP.replace("VALUE = 0", f"VALUE = {value}"))


def test_saves_under_load_lose_nothing_and_leave_nothing(shared: SharedRun, saves: int) -> None:
    run = shared.begin()
    with Load(run.url, rate=50) as load:

        def bring_up(value: int) -> None:
            change(shared, value)
            body = str(value)
            wait_until(
                lambda: any(each.body == body for each in load.answers[-100:]), 60, f"save {value}"
            )

        for value in range(1, 4):
            bring_up(value)
        before = settled(run)
        sizes = descriptors_and_memory(before)
        for value in range(4, saves + 4):
            bring_up(value)
        after = settled(run)

    answers = load.answers
    assert [each for each in answers if each.status != 200] == []
    assert stale(answers) == []
    assert len(after) == len(before)
    for name, (files, memory) in descriptors_and_memory(after).items():
        assert files <= sizes[name][0], name
        assert memory <= sizes[name][1] + NOISE, name


def settled(run: FlashRun) -> set[Process]:
    """The processes once the old generations have gone: the command, parent, app, emulator."""
    wait_until(lambda: len(run.tree()) == 4, 60, "the end of the old generations")
    return run.tree()


def descriptors_and_memory(processes: set[Process]) -> dict[str, tuple[int, int]]:
    """By command line. The newest app shares its parent's."""
    found: dict[str, tuple[int, int]] = {}
    for each in sorted(processes, key=lambda process: process.pid):
        files, memory = found.get(each.command, (0, 0))
        found[each.command] = files + descriptors(each), memory + kilobytes(each)
    return found


def answers(client: httpx.Client, value: int) -> bool:
    return bool(client.get("/").json() == value)


def test_a_kept_connection_is_handed_to_the_new_code(shared: SharedRun, saves: int) -> None:
    run = shared.begin()
    # One connection for all requests: httpx raises when it is closed under a request.
    with httpx.Client(base_url=run.url, timeout=60, trust_env=False) as client:
        addresses = set()
        for value in range(saves):
            change(shared, value)
            wait_until(partial(answers, client, value), 60, f"save {value}")
            stream = client.get("/").extensions["network_stream"]
            addresses.add(stream.get_extra_info("client_addr"))
    assert len(addresses) == 1
