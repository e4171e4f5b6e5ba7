"""A time limit that is not used up while nothing can happen.

An event loop that is held up, by a handler that computes for seconds or by a machine that is too
busy, finds all of its timers due when it goes on, and what they wait for arrived but not looked at
yet. So a limit is counted in parts, each of which counts once, however late it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

PARTS: Final = 10


async def within(
    seconds: float | None, work: Coroutine[Any, Any, T], unused: Callable[[T], object]
) -> T:
    """What ``work`` gives. Raises TimeoutError, and cancels it, after ``seconds`` of a free loop.

    ``unused`` gets it where the caller is cancelled just then.
    """
    if seconds is None:
        return await work
    task = asyncio.ensure_future(work)
    try:
        for _ in range(PARTS):
            await asyncio.wait({task}, timeout=seconds / PARTS)
            if task.done():
                return task.result()
    except asyncio.CancelledError:
        if task.done() and not task.cancelled() and task.exception() is None:
            unused(task.result())
        raise
    finally:
        task.cancel()
    raise TimeoutError(f"not within {seconds:g} s")
