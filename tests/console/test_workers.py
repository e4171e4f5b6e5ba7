"""When the workers of endpoints are looked up."""

from __future__ import annotations

import asyncio

from pytest_flash.console.worker_watch import WorkerWatch
from pytest_flash.errors import RunpodConnectionError
from pytest_flash.runpod.models import Workers
from tests.console.served import WORKERS


def test_each_endpoint_is_asked_once_in_a_while_and_when_it_is_new() -> None:
    asked: list[str] = []

    def look_up(endpoint_id: str) -> Workers:
        asked.append(endpoint_id)
        if endpoint_id == "away":
            raise RunpodConnectionError("nobody answers")
        return WORKERS

    async def run() -> None:
        watch = WorkerWatch(look_up, interval=3600)

        async def look(ids: dict[str, str]) -> None:
            changed = asyncio.Event()
            watch.refresh(ids, changed.set)
            await asyncio.wait_for(changed.wait(), 60)

        await look({"live-a": "a"})
        watch.refresh({"live-a": "a"}, lambda: None)
        assert asked == ["a"]
        await look({"live-a": "a", "live-b": "away"})
        assert sorted(asked) == ["a", "a", "away"]
        assert set(watch.known) == {"live-a"}

    asyncio.run(run())
