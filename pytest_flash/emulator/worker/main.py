"""Puts a worker together: the job loop and user code on the main thread's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterable

from .capture import prepare_streams
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
    loop = asyncio.new_event_loop()

    async def call(request: FunctionRequest, notes: str) -> FunctionResponse:
        # A task of its own: what it does to its context and to itself ends with it.
        return await asyncio.create_task(execute(request, notes))

    plane = WorkerPlane(settings)
    heartbeat = Heartbeat(Pinger(settings), settings.ping_interval)
    jobs = JobLoop(plane, Dependencies(plane, search_path), heartbeat, call)
    heartbeat.start()
    try:
        loop.run_until_complete(_serve(jobs))
        loop.run_until_complete(_cancel_leftovers())
    finally:
        plane.close()
        loop.close()
    return 0


async def _serve(jobs: JobLoop) -> None:
    """Run jobs until SIGTERM. Tasks that user code left behind go on between jobs."""
    loop = asyncio.get_running_loop()

    def stop(*_: object) -> None:
        loop.call_soon_threadsafe(jobs.stop)

    # Not the loop's add_signal_handler: its wake-up descriptor would be shared with forked
    # children, and a SIGTERM that multiprocessing sends to one of them would stop this worker.
    signal.signal(signal.SIGTERM, stop)
    _let_sigterm_end_children()
    await jobs.run()


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
