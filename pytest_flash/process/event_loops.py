"""Event loops whose timers go by a clock that tests do not replace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ..clock import monotonic

T = TypeVar("T")


class UnfrozenLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop, for which time goes on where a test has frozen it."""

    def time(self) -> float:
        """Seconds of the monotonic clock."""
        return monotonic()


def fastest_loop() -> asyncio.AbstractEventLoop:
    """uvloop's, which has a clock of its own, where it is installed."""
    try:
        import uvloop
    except ImportError:
        return UnfrozenLoop()
    return uvloop.new_event_loop()


def run(
    work: Coroutine[Any, Any, T],
    new_loop: Callable[[], asyncio.AbstractEventLoop] = UnfrozenLoop,
) -> T:
    """As ``asyncio.run``, on such a loop."""
    loop = new_loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(work)
    finally:
        try:
            loop.run_until_complete(end_tasks())
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            asyncio.set_event_loop(None)
            loop.close()


async def end_tasks() -> None:
    """Cancel the running loop's other tasks, and wait for them."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
