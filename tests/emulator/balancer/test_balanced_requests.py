"""Requests at a load-balancing endpoint, seen by the scheduler."""

from __future__ import annotations

import asyncio

import pytest

from pytest_flash.emulator.processes.worker_logs import WorkerLogs
from pytest_flash.emulator.scheduler.balanced_requests import LostError, Requests
from pytest_flash.emulator.scheduler.worker import EmulatedWorker


def worker(name: str = "w") -> EmulatedWorker:
    return EmulatedWorker(name, 1, "image", WorkerLogs(lambda: 0.0).open(name))


def counts(requests: Requests) -> tuple[int, int, int]:
    return requests.pressing, requests.in_progress, len(requests)


def test_a_request_waits_is_served_and_leaves() -> None:
    async def serve() -> None:
        requests, serving = Requests(), worker()
        first, second = requests.enter(None), requests.enter("a scope")
        assert counts(requests) == (2, 0, 2)
        assert requests.assign(serving) is first
        assert await first.worker is serving
        assert counts(requests) == (1, 1, 2)
        assert [each.id for each in requests.unfinished()] == [first.id, second.id]
        assert requests.runs(first.id, "w")
        assert not requests.runs(first.id, "another")
        assert requests.leave(first) is serving
        assert requests.leave(second) is None
        assert counts(requests) == (0, 0, 0)

    asyncio.run(serve())


def test_the_end_of_its_worker_or_of_hope_reaches_whoever_waits() -> None:
    async def lose() -> None:
        requests, serving = Requests(), worker()
        served, waiting = requests.enter(None), requests.enter(None)
        requests.assign(serving)
        requests.worker_died(served.id, "another", "of no concern")
        assert not served.lost.done()
        requests.worker_died(served.id, "w", "killed by signal 9")
        assert str(await served.lost) == "killed by signal 9"
        requests.fail_waiting("no program")
        with pytest.raises(LostError, match="no program"):
            await waiting.worker
        assert counts(requests) == (0, 0, 0)
        assert requests.leave(served) is serving  # It is to be released.
        assert requests.leave(waiting) is None

    asyncio.run(lose())
