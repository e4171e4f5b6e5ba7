"""Blocking work beside the event loop, in threads that never hold up the process's end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """Run ``work`` in a daemon thread of its own and return what it returns.

    Unlike an executor's, such a thread is not waited for when the process ends: an installer
    that needs minutes must not keep a stopped emulator alive.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def settle(deliver: Callable[[], None]) -> None:
        if not result.done():
            deliver()

    def run() -> None:
        try:
            value = work()
        except BaseException as error:  # noqa: BLE001 - handed to the awaiting task as it is
            outcome = _raising(result, error)
        else:
            outcome = _returning(result, value)
        try:
            loop.call_soon_threadsafe(settle, outcome)
        except RuntimeError:
            return  # the loop is closed, and with it everyone who waited

    threading.Thread(target=run, daemon=True).start()
    return await result


def _returning(result: asyncio.Future[T], value: T) -> Callable[[], None]:
    return lambda: result.set_result(value)


def _raising(result: asyncio.Future[T], error: BaseException) -> Callable[[], None]:
    return lambda: result.set_exception(error)
