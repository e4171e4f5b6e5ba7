"""An unmodified official worker: ``python official_worker.py KIND`` with one of the kinds below.

Runs in the environment of the official packages, as the program of an image.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import runpod

Job = dict[str, Any]


async def echo(job: Job) -> Any:
    return sync(job)


def sync(job: Job) -> Any:
    """Returns what the input says, or does what it asks for."""
    todo = job["input"]
    if isinstance(todo, dict):
        if "raise" in todo:
            raise ValueError(todo["raise"])
        if "sleep" in todo:
            time.sleep(todo["sleep"])
        if "unserialisable" in todo:
            return object()
        if "return" in todo:
            return todo["return"]
        if "about" in todo:
            return {
                "pid": os.getpid(),
                "cwd": str(Path.cwd()),
                "home": os.environ["HOME"],
                "job": job,
            }
    return todo


async def asynchronous(job: Job) -> Any:
    todo = job["input"]
    try:
        if "mark" in todo:
            mark(todo["mark"] + ".begun")
        await asyncio.sleep(todo.get("sleep", 0))
        # A file is how a test says so.
        while "until" in todo and not Path(todo["until"]).exists():  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(0.02)
    except asyncio.CancelledError:
        mark(todo["mark"] + ".stopped")
        raise
    return {"value": todo.get("value"), "pid": os.getpid()}


def mark(path: str) -> None:
    Path(path).touch()


def generator(job: Job) -> Iterator[Any]:
    for number in range(job["input"]["count"]):
        yield {"number": number}
    if "error" in job["input"]:
        yield {"error": job["input"]["error"]}
    if "raise" in job["input"]:
        raise ValueError(job["input"]["raise"])


async def async_generator(job: Job) -> AsyncIterator[Any]:
    for item in generator(job):
        await asyncio.sleep(0.01)
        yield item


def progress(job: Job) -> Any:
    """With ``until`` it waits after each step for a file of that name."""
    todo = job["input"]
    for number, step in enumerate(todo["steps"]):
        runpod.serverless.progress_update(job, step)
        while "until" in todo and not Path(todo["until"][number]).exists():
            time.sleep(0.02)
    return "finished"


async def together(job: Job) -> Any:
    """Ends when as many jobs run at once as the input says."""
    together.running = getattr(together, "running", 0) + 1  # type: ignore[attr-defined]
    deadline = time.monotonic() + 10
    while together.running < job["input"]["jobs"]:  # type: ignore[attr-defined]
        if time.monotonic() > deadline:
            return {"error": "they never ran together"}
        await asyncio.sleep(0.01)
    return os.getpid()


def weights() -> None:
    """A fitness check that fails."""
    raise RuntimeError(os.environ["UNFIT"])


KINDS: dict[str, dict[str, Any]] = {
    # Several at once, since a worker that runs one job at a time takes one a second.
    "echo": {"handler": echo, "concurrency_modifier": lambda _: 8},
    "sync": {"handler": sync},
    "async": {"handler": asynchronous},
    "several": {"handler": asynchronous, "concurrency_modifier": lambda _: 4},
    "generator": {"handler": generator},
    "async_generator": {"handler": async_generator},
    "aggregate": {"handler": async_generator, "return_aggregate_stream": True},
    "concurrent": {"handler": together, "concurrency_modifier": lambda _: 4},
    "refresh": {"handler": sync, "refresh_worker": True},
    "progress": {"handler": progress},
}

if __name__ == "__main__":  # It starts a process, which on Python 3.14 imports this anew.
    if "UNFIT" in os.environ:
        runpod.serverless.register_fitness_check(weights)
    runpod.serverless.start(KINDS[sys.argv[1]])
    if "MARK_END" in os.environ:
        mark(os.environ["MARK_END"])
