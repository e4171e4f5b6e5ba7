"""Calls side by side in one worker, where one of them replaces ``sys.stdout``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_flash import CpuLiveLoadBalancer, remote
from pytest_flash.events import Event, JobEnded
from pytest_flash.functions.registry import registry
from tests.functions.workers import emulated

BALANCED = CpuLiveLoadBalancer(name="replacing", workersMax=1, scalerValue=100)


class Refused(Exception):
    """An exception of the project's own."""


def touch(flag: str) -> None:
    Path(flag).touch()


def exists(flag: str) -> bool:
    return Path(flag).exists()


def remove(flag: str) -> None:
    Path(flag).unlink(missing_ok=True)


@remote(BALANCED, method="POST", path="/replace")
async def replace(how: str, flag: str) -> str:
    """Replace the stream, until the other call has ended or for good; what the new one got."""
    import asyncio
    import contextlib
    import io
    import sys

    class Both(io.StringIO):
        """Writes to what was there, too, as colorama and others do."""

        def __init__(self, beneath: Any) -> None:
            super().__init__()
            self.beneath = beneath

        def write(self, text: str, /) -> int:
            self.beneath.write(text)
            return super().write(text)

    new = io.StringIO() if how == "redirected" else Both(sys.stdout)
    if how == "wrapped for good":
        sys.stdout = new
        return "replaced\n"
    with contextlib.redirect_stdout(new):
        print("replaced")
        touch(flag)
        while exists(flag):  # noqa: ASYNC110 - the other call removes it
            await asyncio.sleep(0.01)
    return new.getvalue()


@remote(BALANCED, method="POST", path="/speak")
async def speak(fails: bool, flag: str) -> str:
    """Wait for the other call, print, and let it go on."""
    import asyncio

    try:
        print("spoken")
        await asyncio.sleep(0)
        if fails:
            raise Refused("no")
        return "done"
    finally:
        remove(flag)


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Event]]:
    folder = tmp_path_factory.mktemp("project")
    (folder / "pyproject.toml").write_text("")
    events: list[Event] = []
    with emulated(folder, events.append) as session, registry.bound(session.calls):
        yield events


async def both(how: str, fails: bool, flag: Path) -> tuple[Any, Any]:
    """What came of a call that replaces the stream, and of one that begins meanwhile."""
    first = asyncio.ensure_future(replace(how, str(flag)))
    if how == "wrapped for good":
        await first
    deadline = asyncio.get_running_loop().time() + 60
    while not first.done() and not exists(str(flag)):
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.01)
    second = await asyncio.gather(speak(fails, str(flag)), return_exceptions=True)
    return await first, second[0]


# Last what lasts: it stays with the worker.
@pytest.mark.parametrize("how", ["redirected", "wrapped", "wrapped for good"])
@pytest.mark.parametrize("fails", [False, True], ids=["returns", "raises"])
def test_a_call_beside_gets_what_is_its_own(
    events: list[Event], tmp_path: Path, how: str, fails: bool
) -> None:
    replaced, got = asyncio.run(both(how, fails, tmp_path / "flag"))
    assert type(got) is Refused if fails else got == "done"
    # The stream is the process's: whoever replaces it gets what others print, and nothing of ours.
    others = "" if how == "wrapped for good" else "spoken\n"
    assert replaced == f"replaced\n{others}"
    reported = [each.stdout for each in events if isinstance(each, JobEnded)][-2:]
    if how != "redirected":
        assert "spoken\n" in reported
