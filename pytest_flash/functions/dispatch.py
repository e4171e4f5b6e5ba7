"""Ways to run something: elsewhere, here, many at once, or from code that cannot await."""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import Any, TypeVar

from ..errors import ConfigurationError
from ..process.event_loops import run
from .registry import Caller, registry

T = TypeVar("T")
R = TypeVar("R")


def caller_elsewhere() -> Caller | None:
    """Whoever runs remote functions; None inside a Runpod worker, which runs them itself.

    Raises NoTargetError where nothing says where they should run.
    """
    # What is bound wins over the variable, which an app's .env may hold by mistake.
    caller = registry.bound_caller()
    if caller is None and "RUNPOD_ENDPOINT_ID" in os.environ:
        return None
    return caller or registry.connected_caller()


async def run_here(call: Callable[[], Any]) -> Any:
    """Run ``call`` in this process: in a thread if it is synchronous, since it may block."""
    from anyio import to_thread

    if inspect.iscoroutinefunction(inspect.unwrap(getattr(call, "func", call))):
        return await call()
    return await to_thread.run_sync(call)


def run_blocking(call: Callable[[], Awaitable[R]]) -> R:
    """Await ``call`` in an event loop of its own and return what it gives."""
    __tracebackhide__ = True

    async def awaited() -> R:
        return await call()

    if not _is_on_loop():
        return run(awaited())
    # This thread's loop is taken: another thread runs one, while this one waits for it.
    done: list[R] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            done.append(run(awaited()))
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            failed.append(error)

    thread = threading.Thread(target=work, name="flash-blocking")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return done[0]


def _is_on_loop() -> bool:
    """Whether an event loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def in_order(
    work: Callable[[T], Awaitable[R]], items: Iterable[T], concurrency: int
) -> AsyncGenerator[R, None]:
    """Results of ``work`` for each item, in order, with at most ``concurrency`` at a time.

    Work that is in flight when the generator is closed, or fails, is cancelled and awaited. Items
    are taken as they are needed: at most ``concurrency`` are ahead of the result that is awaited.
    """
    __tracebackhide__ = True
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "map runs on asyncio; on trio call the function in a nursery of your own"
        ) from None
    if concurrency < 1:
        raise ConfigurationError(f"concurrency must be a whole number from 1, not {concurrency!r}")
    gate = asyncio.Semaphore(concurrency)

    async def one(item: T) -> R:
        async with gate:
            return await work(item)

    ahead: deque[asyncio.Task[R]] = deque()
    source = iter(items)
    try:
        while True:
            while len(ahead) < 2 * concurrency:
                try:
                    item = next(source)
                except StopIteration:
                    break
                ahead.append(asyncio.ensure_future(one(item)))
            if not ahead:
                return
            result = await ahead[0]
            ahead.popleft()
            yield result
    finally:
        for task in ahead:
            task.cancel()
        await asyncio.gather(*ahead, return_exceptions=True)
