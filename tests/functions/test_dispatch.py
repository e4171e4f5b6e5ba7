"""spawn, map, local, blocking: other ways to call a remote function."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_flash import CpuLiveServerless, remote
from pytest_flash.errors import (
    ConfigurationError,
    JobCancelledError,
    JobFailedError,
    PayloadTooLargeError,
)
from pytest_flash.events import Event, JobEnded, JobNamed, JobOutput, JobStarted
from pytest_flash.functions.registry import registry
from tests.functions.workers import emulated
from tests.support.system.processes import wait_until

CPU = CpuLiveServerless(name="ways", workersMax=3)


@remote(CPU)
def square(x: int) -> int:
    print(f"squaring {x}")
    return x * x


@remote(CPU)
async def later(x: int) -> int:
    return x + 1


@remote(CPU)
def add(x: int, y: int = 10) -> int:
    return x + y


@remote(CPU)
def slow(seconds: float) -> int:
    import time

    time.sleep(seconds)
    return os.getpid()


@remote(CPU)
def inverse(x: float) -> float:
    return 1 / x


@remote(CPU, local=True)
def here(x: int) -> int:
    return x + 1


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Event]]:
    reported: list[Event] = []
    folder = tmp_path_factory.mktemp("ways")
    with emulated(folder, reported.append) as session, registry.bound(session.calls):
        yield reported


@pytest.fixture(autouse=True)
def _quiet(events: list[Event]) -> None:
    events.clear()


def of(events: list[Event], kind: Any) -> list[Any]:
    return [each for each in events if isinstance(each, kind)]


def test_spawn_gives_a_handle_of_a_job_that_has_a_name(events: list[Event]) -> None:
    async def main() -> None:
        handle = await square.spawn(3)
        assert handle.id
        assert handle.endpoint_id
        assert handle.id in repr(handle)
        assert await handle.result() == 9
        assert await handle.result() == 9
        assert await handle.status() == "COMPLETED"
        assert await handle.logs() == "squaring 3\n"

    asyncio.run(main())
    reported = [type(each) for each in events if type(each).__name__.startswith("Job")]
    assert reported == [JobStarted, JobNamed, JobOutput, JobEnded]


def test_a_handle_raises_what_the_function_raised(events: list[Event]) -> None:
    async def main() -> None:
        handle = await inverse.spawn(0)
        for _ in range(2):
            with pytest.raises(ZeroDivisionError) as caught:
                await handle.result()
            assert isinstance(caught.value, JobFailedError)
            assert caught.value.job_id == handle.id
        assert await handle.status() == "FAILED"

    asyncio.run(main())


def test_a_job_that_nobody_asks_for_is_reported_all_the_same(events: list[Event]) -> None:
    async def main() -> None:
        await square.spawn(4)
        await asyncio.to_thread(wait_until, lambda: bool(of(events, JobEnded)), 20, "its end")

    asyncio.run(main())
    assert of(events, JobEnded)[0].stdout == "squaring 4\n"


def test_a_result_that_is_not_there_in_time_leaves_the_job_alone(events: list[Event]) -> None:
    async def main() -> None:
        handle = await slow.spawn(0.5)
        with pytest.raises(TimeoutError, match=f"job {handle.id} has not ended within 0.01 s"):
            await handle.result(timeout=0.01)
        assert await handle.result(timeout=30) > 0

    asyncio.run(main())


def test_a_handle_cancels(events: list[Event]) -> None:
    async def main() -> None:
        handle = await slow.spawn(30)
        await handle.cancel()
        assert await handle.status() == "CANCELLED"
        with pytest.raises(JobCancelledError):
            await handle.result()

    asyncio.run(main())
    assert [each.state for each in of(events, JobEnded)] == ["CANCELLED"]


def test_a_cancelled_wait_cancels_the_job(events: list[Event]) -> None:
    async def main() -> None:
        handle = await slow.spawn(30)
        waiting = asyncio.ensure_future(handle.result())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await handle.status() == "CANCELLED"

    asyncio.run(main())


def test_a_job_outlives_the_loop_that_spawned_it(events: list[Event]) -> None:
    handle = asyncio.run(square.spawn(5))
    assert asyncio.run(handle.result()) == 25


def test_map_gives_results_in_order(events: list[Event]) -> None:
    async def main() -> list[int]:
        return [each async for each in square.map(range(12), concurrency=4)]

    assert asyncio.run(main()) == [x * x for x in range(12)]
    assert len(of(events, JobEnded)) == 12


def test_map_takes_iterables_side_by_side_and_async_functions(events: list[Event]) -> None:
    async def main() -> None:
        assert [each async for each in add.map([1, 2], [3, 4])] == [4, 6]
        assert [each async for each in later.map(iter([1]))] == [2]
        assert [each async for each in here.map([1, 2])] == [2, 3]
        assert [each async for each in add.map([])] == []

    asyncio.run(main())


def test_map_bounds_the_jobs_in_flight(events: list[Event]) -> None:
    async def main() -> None:
        async for _ in square.map(range(20), concurrency=3):
            pass

    asyncio.run(main())
    flying = most = 0
    for each in events:
        flying += isinstance(each, JobStarted) - isinstance(each, JobEnded)
        most = max(most, flying)
    assert most == 3


def test_map_ends_with_the_first_error_and_cancels_the_rest(events: list[Event]) -> None:
    taken = []

    def items() -> Iterator[float]:
        for x in (2.0, 0.0, *[1.0] * 1000):
            taken.append(x)
            yield x

    results = []

    async def main() -> None:
        async for each in inverse.map(items(), concurrency=2):
            results.append(each)

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())
    assert results == [0.5]
    assert len(taken) < 20


def test_leaving_a_map_cancels_what_is_in_flight(events: list[Event]) -> None:
    async def main() -> None:
        async with contextlib.aclosing(slow.map([0.0, 300.0, 300.0], concurrency=3)) as results:
            async for _ in results:
                break

    began = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - began < 60
    ended = of(events, JobEnded)
    assert len(ended) == 3


@pytest.mark.parametrize("concurrency", [0, -1])
def test_a_map_without_room_is_refused(concurrency: int) -> None:
    async def main() -> None:
        async for _ in square.map([1], concurrency=concurrency):
            pass

    with pytest.raises(ConfigurationError, match="concurrency must be a whole number from 1"):
        asyncio.run(main())


def test_local_calls_the_function_itself(events: list[Event]) -> None:
    assert square.local(3) == 9
    assert asyncio.run(later.local(3)) == 4
    assert events == []


def test_blocking_needs_no_await(events: list[Event]) -> None:
    assert square.blocking(3) == 9
    with pytest.raises(ZeroDivisionError) as caught:
        inverse.blocking(0)
    # Nothing that a report would begin with, such as that no event loop was running.
    assert not isinstance(caught.value.__context__, RuntimeError)

    async def main() -> int:
        return square.blocking(4)

    assert asyncio.run(main()) == 16


def test_what_runs_here_has_no_jobs() -> None:
    with pytest.raises(ConfigurationError, match="runs in this process"):
        asyncio.run(here.spawn(1))


def test_a_spawned_job_may_carry_ten_megabytes(events: list[Event]) -> None:
    with pytest.raises(PayloadTooLargeError, match=r"takes 10 MB with spawn and map"):
        asyncio.run(square.spawn("x" * 8_000_000))  # type: ignore[arg-type]


@remote(CPU)
def talks(path: str) -> str:
    import logging
    import time
    from pathlib import Path

    print("first")
    logging.getLogger("talker").warning("second")
    deadline = time.monotonic() + 90
    while not Path(path).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    print("first")
    print("last", end="")
    return "done"


def test_output_is_reported_while_the_job_runs_and_once(
    events: list[Event], tmp_path: Path
) -> None:
    flag = tmp_path / "flag"

    async def main() -> None:
        handle = await talks.spawn(str(flag))
        try:
            await asyncio.to_thread(
                wait_until, lambda: len(of(events, JobOutput)) >= 2, 60, "two lines"
            )
            assert await handle.status() == "IN_PROGRESS"
            assert await handle.logs() == "first\nWARNING:talker:second\n"
        finally:
            flag.touch()
        assert await handle.result() == "done"
        assert await handle.logs() == "first\nWARNING:talker:second\nfirst\nlast"

    asyncio.run(main())
    reported = of(events, JobOutput)
    assert "".join(each.text for each in reported) == "first\nWARNING:talker:second\nfirst\nlast"
    (ended,) = of(events, JobEnded)
    assert {(each.job_id, each.worker_id) for each in reported} == {(ended.job_id, ended.worker_id)}
    assert ended.stdout == "first\nWARNING:talker:second\nfirst\nlast"
