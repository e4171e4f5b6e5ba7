"""Output on the official worker, which keeps it until a function ends: reported live, and once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_flash import CpuLiveServerless, PodTemplate
from pytest_flash.events import Event
from pytest_flash.functions.registry import registry
from tests.conformance.conftest import HERE
from tests.functions.printing import PRINTED, SHOWN, after, ended, printing, reported
from tests.functions.workers import emulated
from tests.support.system.processes import wait_until

prints, dies = printing(
    CpuLiveServerless(
        name="official-output",
        template=PodTemplate(imageName="official/functions"),
        workersMax=1,
    )
)


@pytest.fixture
def events(official: Path, tmp_path: Path) -> Iterator[list[Event]]:
    (tmp_path / "pyproject.toml").write_text(
        "[tool.flash.emulator.images]\n"
        f'"official/functions" = "{official} {HERE}/reference_worker.py"\n'
    )
    reported: list[Event] = []
    with emulated(tmp_path, reported.append) as session, registry.bound(session.calls):
        yield reported


def test_output_of_jobs_side_by_side(events: list[Event], tmp_path: Path) -> None:
    """The worker takes both jobs and runs them one after another."""
    flags = [tmp_path / "flag1", tmp_path / "flag2"]

    async def main() -> None:
        jobs = [await prints.spawn(str(flag), flag.name) for flag in flags]
        await asyncio.to_thread(
            wait_until,
            lambda: SHOWN in (reported(events, 1), reported(events, 2)),
            60,
            "its output",
        )
        assert "" in (reported(events, 1), reported(events, 2))
        for flag in flags:
            flag.touch()
        assert [await job.result() for job in jobs] == ["flag1", "flag2"]

    asyncio.run(main())
    for call, flag in enumerate(flags, 1):
        assert reported(events, call) == SHOWN + after(flag.name)
        assert ended(events, call).stdout == PRINTED + after(flag.name)
