"""Tasks of the worker's own, which the event loop's users, the jobs, do not meet.

Jobs may cancel ``asyncio.all_tasks()``, as many programs do at their end, and set a factory that
makes tasks.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_Task = asyncio.Task  # A job may leave another in its place.


class CancelledByAnotherJobError(Exception):
    """Another job has cancelled this one before it had a result."""


def own_task(
    coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop | None = None
) -> asyncio.Task[T]:
    """A task that is not among ``asyncio.all_tasks()``, and that no factory of a job's makes."""
    task = _Task(coroutine, loop=loop or asyncio.get_running_loop())
    # Documented, for those who extend asyncio.
    asyncio._unregister_task(task)
    return task


async def run_job(start: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What the coroutine returns that ``start`` makes, run as a task that jobs may cancel.

    What it does to its context and to itself ends with it. Raises what it raises, or
    JobCancelledError.
    """
    kept: list[T] = []

    async def keep() -> None:
        kept.append(await start())

    task = _Task(keep(), loop=asyncio.get_running_loop())
    await asyncio.wait((task,))
    if not kept:  # Else it may have cancelled itself: that is no reason to lose its result.
        if task.cancelled():
            raise CancelledByAnotherJobError(
                "another job of this worker cancelled it, with all tasks"
            )
        task.result()
    return kept[0]


async def in_thread(work: Callable[[], T]) -> T:
    """What ``work`` returns or raises, run in a thread of its own.

    Jobs may have shut down the loop's executor, or use all its threads.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    outcome: concurrent.futures.Future[T] = concurrent.futures.Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever waits gets it
            outcome.set_exception(error)
        loop.call_soon_threadsafe(done.set_result, None)

    threading.Thread(target=run, name="flash-dependencies", daemon=True).start()
    await asyncio.wait((done,))
    return outcome.result()
