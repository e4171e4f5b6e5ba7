"""Puts a worker together: the job loop, or the server for a load balancer, and user code, all on
the main thread's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from .dependencies import Dependencies
from .execution import execute
from .function_protocol import FunctionRequest, FunctionResponse
from .heartbeat import Heartbeat
from .job_loop import JobLoop
from .output.capture import Capture, prepare_streams
from .platform_client import Pinger, WorkerPlane
from .process.broken_worker import BrokenWorkerError
from .process.descriptors import opening_high
from .process.log import Log
from .process.search_path import SearchPath
from .process.stacks import answer_signal
from .process.tasks import own_task, run_job
from .process.upkeep import Upkeep
from .settings import SettingsMissing, WorkerSettings

# After so many ends of the loop within so many seconds a worker gives up.
_ENDS, _AT_ONCE = 20, 1.0


def main(search_path: SearchPath) -> int:
    """Work until SIGTERM; the process's exit code."""
    try:
        settings = WorkerSettings.take_from(os.environ)
    except SettingsMissing as error:
        print(f"flash worker: {error}; only the emulator starts this program", file=sys.stderr)
        return 2
    log = Log()
    stacks = answer_signal(settings.stack_file, log) if settings.stack_file else None
    with stacks or contextlib.nullcontext():
        return _work(settings, search_path, log)


def _work(settings: WorkerSettings, search_path: SearchPath, log: Log) -> int:
    prepare_streams()
    plane = WorkerPlane(settings)
    dependencies = Dependencies(plane, search_path)
    if settings.ports:
        work = _serve_requests(settings, dependencies, log)
    else:
        work = _take_jobs(settings, plane, dependencies, log)
    with opening_high():
        loop = asyncio.new_event_loop()
    try:
        _run(loop, work, log)
        _run(loop, _cancel_leftovers(), log)
    except BrokenWorkerError as error:
        log.note(str(error))
        return 1
    finally:
        plane.close()
        loop.close()
    return 0


def _run(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None], log: Log) -> None:
    """Run ``work`` to its end, also where something that a job has left behind ends the loop.

    That is a handler of signals that raises, a task that raises SystemExit, ``loop.stop()``.
    """
    task = own_task(work, loop)
    ends: deque[float] = deque(maxlen=_ENDS)
    while not task.done():
        try:
            loop.run_until_complete(task)
        except BaseException as error:
            if task.done():
                break
            log.note(f"{type(error).__name__} between jobs, from what one has left: {error}")
            ends.append(time.monotonic())
            if len(ends) == _ENDS and ends[-1] - ends[0] < _AT_ONCE:
                raise  # It cannot run any more: a job has closed every descriptor there is.
    task.result()


async def _take_jobs(
    settings: WorkerSettings, plane: WorkerPlane, dependencies: Dependencies, log: Log
) -> None:
    """Run jobs until SIGTERM. Tasks that user code left behind go on between jobs."""

    capture = Capture(log)

    def call(request: FunctionRequest, notes: str) -> Awaitable[FunctionResponse]:
        return run_job(lambda: execute(request, notes, capture, upkeep.restore))

    heartbeat = Heartbeat(Pinger(settings), settings.ping_interval)
    jobs = JobLoop(plane, dependencies, heartbeat, call, log)
    heartbeat.start()
    upkeep = Upkeep(log, _threadsafe(jobs.stop))
    await jobs.run()


async def _serve_requests(settings: WorkerSettings, dependencies: Dependencies, log: Log) -> None:
    """Serve a load balancer until SIGTERM."""
    from .load_balanced_worker import BalancedWorker  # most workers have no use for it

    worker = BalancedWorker(settings, dependencies, log)
    stopped = asyncio.Event()
    await worker.serve(stopped, Upkeep(log, _threadsafe(stopped.set)).restore)


def _threadsafe(stop: Callable[[], object]) -> Callable[[], object]:
    """What has the running event loop call ``stop``, for a handler of SIGTERM."""
    loop = asyncio.get_running_loop()
    # Not the loop's add_signal_handler: its wake-up descriptor would be shared with forked
    # children, and a SIGTERM that multiprocessing sends to one of them would stop this worker.
    _let_sigterm_end_children()
    return lambda: loop.call_soon_threadsafe(stop)


def _let_sigterm_end_children() -> None:
    """Give forked children the default action back; none may reach them before they have it."""
    masks: list[Iterable[int]] = []

    def before() -> None:
        masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM}))

    def in_parent() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, masks.pop())

    def in_child() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        in_parent()

    os.register_at_fork(before=before, after_in_parent=in_parent, after_in_child=in_child)


async def _cancel_leftovers() -> None:
    tasks = asyncio.all_tasks()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
