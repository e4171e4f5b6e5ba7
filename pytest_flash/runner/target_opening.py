"""Opening the target while the app is already being imported."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable

from ..emulator.client.process import EmulatorProcess
from ..errors import EmulatorError, FlashError
from ..events import TargetChosen
from ..project import Project
from ..settings import Environment
from ..target import Target, TargetChoice, TargetKind, embedded, open_live
from .console.event_hub import EventHub

_REMEDY = "leave out --in-process to run them on workers"


@contextlib.asynccontextmanager
async def opened(
    choice: TargetChoice,
    environment: Environment,
    project: Project,
    stopped: asyncio.Future[int],
    event_hub: EventHub,
    *,
    granted: bool,
    in_process: bool,
) -> AsyncIterator[asyncio.Future[Target]]:
    """The target, as soon as there is one; what runs for it ends with the context.

    With ``in_process`` remote functions run beside the app, and the embedded Runpod is there for
    processes that the app starts.

    Raises SettingsError when Runpod may not be used. An emulator that does not start, or ends
    by itself, makes ``stopped`` fail.
    """
    target: asyncio.Future[Target] = asyncio.get_running_loop().create_future()

    def chosen(opened: Target) -> None:
        event_hub.hide(opened.api_key)
        url = opened.management_url
        if in_process:
            event_hub.tell(TargetChosen("in_process", url, "--in-process", _REMEDY))
        else:
            event_hub.tell(TargetChosen(opened.kind.value, url, choice.reason, choice.remedy))
        target.set_result(opened)

    if choice.kind is TargetKind.LIVE:
        chosen(open_live(environment, reason=choice.reason, granted=granted))
        yield target
        return
    starting = asyncio.ensure_future(_start(project, stopped))
    starting.add_done_callback(lambda done: _embed(done, choice, chosen))
    try:
        yield target
    finally:
        stopped.cancel()  # From here on its end is no failure.
        await asyncio.wait([starting])
        if (emulator := starting.result()) is not None:
            emulator.stop()


def _embed(
    started: asyncio.Future[EmulatorProcess | None],
    choice: TargetChoice,
    chosen: Callable[[Target], None],
) -> None:
    if started.cancelled() or (emulator := started.result()) is None:
        return
    urls = emulator.management_url, emulator.queue_url
    chosen(embedded(*urls, emulator.api_key, choice.reason))


async def _start(project: Project, stopped: asyncio.Future[int]) -> EmulatorProcess | None:
    """An emulator; without one, or when it ends, ``stopped`` fails: no call could succeed."""
    loop = asyncio.get_running_loop()

    def fail(error: FlashError) -> None:
        if not stopped.done():
            stopped.set_exception(error)

    try:
        emulator = await asyncio.to_thread(EmulatorProcess.start, project.folder)
    except EmulatorError as error:
        fail(error)
        return None

    def watch() -> None:
        error = emulator.wait()
        with contextlib.suppress(RuntimeError):  # The loop has ended, and the emulator after it.
            loop.call_soon_threadsafe(fail, error)

    threading.Thread(target=watch, name="flash-emulator", daemon=True).start()
    return emulator
