"""Output of jobs on the emulator: told while they run, whole, and once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from pytest_flash import CpuLiveServerless, remote
from pytest_flash.errors import WorkerDiedError
from pytest_flash.events import Event, JobNamed, JobOutput
from pytest_flash.functions.registry import registry
from pytest_flash.session import Session
from tests.functions.printing import PRINTED, SHOWN, after, ended, printing, reported
from tests.functions.workers import emulated
from tests.support.system.processes import wait_until

# One worker, which has all the jobs one after another.
prints, dies = printing(CpuLiveServerless(name="printing", workersMax=1))


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def session(tmp_path: Path, events: list[Event]) -> Iterator[Session]:
    with emulated(tmp_path, events.append) as session, registry.bound(session.calls):
        yield session


def is_shown(events: list[Event], call: int) -> bool:
    return reported(events, call) == SHOWN


def touch(path: str) -> None:
    Path(path).touch()


async def until(condition: Callable[[], object], what: str) -> None:
    await asyncio.to_thread(wait_until, condition, 60, what)


@pytest.mark.usefixtures("session")
def test_output_of_a_call_is_read_before_runpod_names_its_job(
    events: list[Event], tmp_path: Path
) -> None:
    flag = tmp_path / "flag"

    async def main() -> None:
        call = asyncio.ensure_future(prints(str(flag), "end"))
        try:
            await until(lambda: reported(events) == SHOWN, "what is printed first")
            assert not any(isinstance(each, JobNamed) for each in events)
        finally:
            flag.touch()
        assert await call == "end"

    asyncio.run(main())
    assert reported(events) == SHOWN + after("end")
    assert ended(events).stdout == PRINTED + after("end")
    workers = {each.worker_id for each in events if isinstance(each, JobOutput)}
    assert workers == {ended(events).worker_id}


@pytest.mark.usefixtures("session")
def test_jobs_of_one_worker_are_distinguished(events: list[Event], tmp_path: Path) -> None:
    flags = [tmp_path / f"flag{number}" for number in range(3)]

    async def main() -> None:
        jobs = [await prints.spawn(str(flag), flag.name) for flag in flags]
        waiting = {1, 2, 3}
        while waiting:
            await until(lambda: any(map(partial(reported, events), waiting)), "one of them")
            (turn,) = (number for number in waiting if reported(events, number))
            await until(partial(is_shown, events, turn), "all of it")
            assert [number for number in waiting if reported(events, number)] == [turn]
            waiting.discard(turn)
            flags[turn - 1].touch()
        assert [await job.result() for job in jobs] == [flag.name for flag in flags]

    asyncio.run(main())
    for number, flag in enumerate(flags, 1):
        assert reported(events, number) == SHOWN + after(flag.name)
    assert len({ended(events, number).worker_id for number in (1, 2, 3)}) == 1


@pytest.mark.usefixtures("session")
def test_of_a_worker_that_died_its_last_words_are_kept(events: list[Event], tmp_path: Path) -> None:
    flag = tmp_path / "flag"

    async def main() -> None:
        call = asyncio.ensure_future(dies(str(flag)))
        await until(lambda: reported(events) == "last words\n", "its last words")
        flag.touch()
        with pytest.raises(WorkerDiedError) as caught:
            await call
        assert caught.value.stdout == "last words\n"
        assert "[flash" not in str(caught.value)

    asyncio.run(main())
    assert reported(events) == "last words\n"
    assert ended(events).stdout == "last words\n"


@remote(CpuLiveServerless(name="forks"))
def forks(path: str) -> None:
    import os
    import time
    from pathlib import Path

    print("before")
    if os.fork() == 0:
        print("the child's")
        os._exit(0)
    os.wait()
    print("behind")
    deadline = time.monotonic() + 90
    while not Path(path).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    print("after")


@pytest.mark.usefixtures("session")
def test_what_a_child_process_prints_is_taken_for_nothing_else(
    events: list[Event], tmp_path: Path
) -> None:
    flag = tmp_path / "flag"

    async def main() -> None:
        call = asyncio.ensure_future(forks(str(flag)))
        await until(lambda: reported(events) == "before\nbehind\n", "what is printed first")
        flag.touch()
        await call

    asyncio.run(main())
    assert reported(events) == ended(events).stdout == "before\nbehind\nafter\n"


@remote(CpuLiveServerless(name="side-by-side", workersMax=2))
def waits(path: str) -> None:
    import time
    from pathlib import Path

    print(path)
    deadline = time.monotonic() + 90
    while not Path(path).exists() and time.monotonic() < deadline:
        time.sleep(0.02)


@pytest.mark.usefixtures("session")
def test_handles_have_what_their_jobs_have_printed(events: list[Event], tmp_path: Path) -> None:
    flags = [str(tmp_path / f"flag{number}") for number in range(2)]

    async def main() -> None:
        handles = [await waits.spawn(flag) for flag in flags]
        deadline = asyncio.get_running_loop().time() + 60
        while [await each.logs() for each in handles] != [f"{flag}\n" for flag in flags]:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.05)
        assert {await each.status() for each in handles} == {"IN_PROGRESS"}
        for flag in flags:
            touch(flag)
        for handle in handles:
            await handle.result()

    asyncio.run(main())
    assert sorted([reported(events, 1), reported(events, 2)]) == [f"{flag}\n" for flag in flags]
