"""Puts a worker together: the job loop, or the server for a load balancer, and user code, all on
the main thread's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable

from .capture import Capture, prepare_streams
from .dependencies import Dependencies
from .execution import execute
from .heartbeat import Heartbeat
from .jobs import JobLoop
from .messages import FunctionRequest, FunctionResponse
from .plane import Pinger, WorkerPlane
from .searchpath import SearchPath
from .settings import SettingsMissing, WorkerSettings
from .stacks import answer_signal


def main(search_path: SearchPath) -> int:
    """Work until SIGTERM; the process's exit code."""
    try:
        settings = WorkerSettings.take_from(os.environ)
    except SettingsMissing as error:
        print(f"flash worker: {error}; only the emulator starts this program", file=sys.stderr)
        return 2
    with answer_signal(settings.stack_file) if settings.stack_file else contextlib.nullcontext():
        return _work(settings, search_path)


def _work(settings: WorkerSettings, search_path: SearchPath) -> int:
    prepare_streams()
    plane = WorkerPlane(settings)
    dependencies = Dependencies(plane, search_path)
    if settings.ports:
        work = _serve_requests(settings, dependencies)
    else:
        work = _take_jobs(settings, plane, dependencies)
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(work)
        loop.run_until_complete(_cancel_leftovers())
    finally:
        plane.close()
        loop.close()
    return 0


async def _take_jobs(
    settings: WorkerSettings, plane: WorkerPlane, dependencies: Dependencies
) -> None:
    """Run jobs until SIGTERM. Tasks that user code left behind go on between jobs."""

    capture = Capture()

    def call(request: FunctionRequest, notes: str) -> Awaitable[FunctionResponse]:
        # A task of its own: what it does to its context and to itself ends with it.
        return asyncio.create_task(execute(request, notes, capture))

    heartbeat = Heartbeat(Pinger(settings), settings.ping_interval)
    jobs = JobLoop(plane, dependencies, heartbeat, call)
    heartbeat.start()
    _on_sigterm(jobs.stop)
    await jobs.run()


async def _serve_requests(settings: WorkerSettings, dependencies: Dependencies) -> None:
    """Serve a load balancer until SIGTERM."""
    from .balanced import BalancedWorker  # most workers have no use for it

    worker = BalancedWorker(settings, dependencies)
    stopped = asyncio.Event()
    _on_sigterm(stopped.set)
    await worker.serve(stopped)


def _on_sigterm(stop: Callable[[], object]) -> None:
    """Have the running event loop call ``stop``."""
    loop = asyncio.get_running_loop()
    # Not the loop's add_signal_handler: its wake-up descriptor would be shared with forked
    # children, and a SIGTERM that multiprocessing sends to one of them would stop this worker.
    signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(stop))
    _let_sigterm_end_children()


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
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
