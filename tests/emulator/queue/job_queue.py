"""Jobs for a queue without an emulator around it, and a clock to turn."""

from __future__ import annotations

import json
from typing import Any

from pytest_flash.emulator.queue.jobs import JobQueue, Policy, QueuedJob

MINUTE = 60.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def job(
    name: str = "a",
    *,
    timeout: float = 10,
    ttl: float = 100,
    low: bool = False,
    scope: str | None = None,
) -> QueuedJob:
    return QueuedJob(
        id=name,
        input=b'{"n":"%b"}' % name.encode(),
        policy=Policy(timeout, ttl, low),
        retention=MINUTE,
        scope=scope,
    )


def document(shown: QueuedJob) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(shown.document())
    return read


def submitted(queue: JobQueue, name: str = "a", **policy: float) -> QueuedJob:
    queue.submit(new := job(name, **policy))  # type: ignore[arg-type]
    return new
