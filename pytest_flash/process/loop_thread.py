"""Calls of remote functions from any event loop, carried out on one of their own.

Functions are called from loops that come and go (one for each test), and from trio. Here one
asyncio loop in a thread does the work: connections outlive the caller's loop, and so does the
cancelling of a job whose caller went away.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import sys
import threading
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

import anyio

from .event_loops import UnfrozenLoop, end_tasks

T = TypeVar("T")

_STOP_DEADLINE = 5.0
# How long a caller that was cancelled is held back.
_CANCELLING = 2.0


class Submitted(Generic[T]):
    """Work that a loop in another thread carries out; ``done`` has its result when it has ended."""

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> None:
        self.done: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._loop = loop
        self._work = work
        self._task: asyncio.Task[T] | None = None
        self.let_go: concurrent.futures.Future[None] = concurrent.futures.Future()
        # An empty context: in the caller's own, libraries would find that they run under trio.
        contextvars.Context().run(loop.call_soon_threadsafe, self._begin)

    def cancel(self) -> None:
        """Cancel it, from any thread; it may take its time to end.

        ``let_go`` is done when it has ended, or has taken too long.
        """
        try:
            self._loop.call_soon_threadsafe(self._cancel)
        except RuntimeError:  # The loop has ended, and everything on it.
            self._let_go()

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._work)
        self._task.add_done_callback(self._end)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            # On this loop, since the clock of the caller's may stand still.
            self._loop.call_later(_CANCELLING, self._let_go)

    def _let_go(self) -> None:
        with contextlib.suppress(concurrent.futures.InvalidStateError):
            self.let_go.set_result(None)

    def _end(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            self.done.cancel()
        elif (error := task.exception()) is not None:
            self.done.set_exception(error)
        else:
            self.done.set_result(task.result())
        self._let_go()


class LoopThread:
    """An asyncio event loop that runs in a daemon thread until ``stop``."""

    def __init__(self, name: str) -> None:
        self._loop = UnfrozenLoop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, T]) -> Submitted[T]:
        """Start ``work`` on the loop, from any thread and any event loop."""
        return Submitted(self._loop, work)

    def run(self, work: Coroutine[Any, Any, T], timeout: float) -> T:
        """Carry out ``work`` on the loop and block until it is done, from another thread.

        Raises TimeoutError, and cancels it, after ``timeout`` seconds.
        """
        submitted = self.submit(work)
        try:
            return submitted.done.result(timeout)
        except concurrent.futures.TimeoutError:
            # Python 3.10 has another TimeoutError here.
            raise TimeoutError(f"not done within {timeout:g} s") from None
        finally:
            submitted.cancel()

    def stop(self) -> None:
        """End the loop, after the tasks that are left have been cancelled."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOP_DEADLINE)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(end_tasks())
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


async def outcome(submitted: Submitted[T]) -> T:
    """Await what was submitted, on asyncio or trio.

    A caller that is cancelled cancels it, and is held back for a moment until it has ended.
    """
    __tracebackhide__ = True
    wait = _wait_in_trio if _in_trio() else _wait
    try:
        return await wait(submitted.done)
    except BaseException:
        if not submitted.done.done():
            submitted.cancel()
            with anyio.CancelScope(shield=True):
                await _let_go(submitted)
        raise


async def _let_go(submitted: Submitted[Any]) -> None:
    await (_wait_in_trio if _in_trio() else _wait)(submitted.let_go)


async def _wait(future: concurrent.futures.Future[T]) -> T:
    __tracebackhide__ = True
    # Cancelling the caller must not cancel a future that others wait for too.
    return await asyncio.shield(asyncio.wrap_future(future))


async def _wait_in_trio(future: concurrent.futures.Future[T]) -> T:
    __tracebackhide__ = True
    import trio

    token, done = trio.lowlevel.current_trio_token(), trio.Event()

    def wake(_: object) -> None:
        with contextlib.suppress(trio.RunFinishedError):  # Its caller is gone already.
            token.run_sync_soon(done.set)

    future.add_done_callback(wake)
    await done.wait()
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
