"""Calls of remote functions from any event loop, carried out on one of their own.

Functions are called from loops that come and go (one for each test), and from trio. Here one
asyncio loop in a thread does the work: connections outlive the caller's loop, and so does the
cancelling of a job whose caller went away.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import sys
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_STOP_DEADLINE = 5.0


class LoopThread:
    """An asyncio event loop that runs in a daemon thread until ``stop``."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Start ``work`` on the loop, from any thread. Cancelling the future cancels it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T], timeout: float) -> T:
        """Carry out ``work`` on the loop and block until it is done, from another thread.

        Raises TimeoutError, and cancels it, after ``timeout`` seconds.
        """
        future = self.submit(work)
        try:
            return future.result(timeout)
        except concurrent.futures.TimeoutError:
            # Python 3.10 has another TimeoutError here.
            raise TimeoutError(f"not done within {timeout:g} s") from None
        finally:
            future.cancel()

    def stop(self) -> None:
        """End the loop, after the tasks that are left have been cancelled."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOP_DEADLINE)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(_end_tasks())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()


async def settled(timeout: float) -> bool:
    """Wait until the running loop's other tasks are done; False after ``timeout`` seconds."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    if not tasks:
        return True
    _, pending = await asyncio.wait(tasks, timeout=timeout)
    return not pending


async def outcome(future: concurrent.futures.Future[T]) -> T:
    """Await ``future`` on asyncio or trio; a caller that is cancelled cancels it."""
    __tracebackhide__ = True
    if _in_trio():
        return await _outcome_in_trio(future)
    return await asyncio.wrap_future(future)


async def _outcome_in_trio(future: concurrent.futures.Future[T]) -> T:
    __tracebackhide__ = True
    import trio

    token, done = trio.lowlevel.current_trio_token(), trio.Event()

    def wake(_: object) -> None:
        with contextlib.suppress(trio.RunFinishedError):  # Its caller is gone already.
            token.run_sync_soon(done.set)

    future.add_done_callback(wake)
    try:
        await done.wait()
    finally:
        future.cancel()
    return future.result()


def _in_trio() -> bool:
    """Whether a trio task is calling; where trio was never imported, none is."""
    trio = sys.modules.get("trio")
    if trio is None:
        return False
    try:
        trio.lowlevel.current_trio_token()
    except RuntimeError:
        return False
    return True


async def _end_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
