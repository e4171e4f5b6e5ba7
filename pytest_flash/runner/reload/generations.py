"""One serving process after another: each generation serves until the next one can.

When files change, the serving process stops accepting at once and hands its idle connections
over; what arrives waits in the system's queues until the next process, whose app is imported
meanwhile, takes it from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...events import Notice, Reloading, ServerEnded
from ...process.exit_status import how_it_ended
from ...target import Target
from ..app.options import RunTimings
from ..console.event_hub import EventHub
from .content_changes import ContentChanges
from .ipc_messages import EXPLAINED, Assignment
from .serving_process import ServingProcess
from .spawner import Spawner


class Generations:
    """Serves ``assignment``, and after each change the next generation of it.

    ``sources`` is what serving processes have found out so far: see ``SourcesKnown``;
    ``relevant`` says which changes need another one.
    """

    def __init__(
        self,
        spawner: Spawner,
        assignment: Assignment,
        target: asyncio.Future[Target],
        event_hub: EventHub,
        timings: RunTimings,
        sources: Mapping[str, bytes],
        relevant: ContentChanges,
    ) -> None:
        self._spawner = spawner
        self._assignment = assignment
        self._target = target
        self._event_hub = event_hub
        self._timings = timings
        self._sources = sources
        self._relevant = relevant
        self._process = self._accepting = spawner.start()
        self._leaving: set[asyncio.Task[None]] = set()
        self._succession: set[asyncio.Task[None]] = set()

    async def run(
        self,
        batches: AsyncIterator[tuple[str, ...]],
        stopped: asyncio.Future[int],
        insisted: asyncio.Future[None],
    ) -> int:
        """Serve until ``stopped``, whose result is returned; at once when ``insisted``.

        Each of ``batches`` of changed files makes a generation. Returns the exit code of a
        serving process that ends by itself where there is no reload.
        """
        self._assign(self._process, self._assignment)
        self._process.begin()
        change = asyncio.ensure_future(anext(batches))
        while True:
            await _first(stopped, change, self._process.ended, *self._succession)
            self._raise_failures()
            if stopped.done():
                change.cancel()
                await self._stop(insisted)
                return stopped.result()
            if change.done():
                files = change.result()
                change = asyncio.ensure_future(anext(batches))
                now, generation = self._process, self._assignment.generation
                files = self._relevant.of(
                    files, generation, broken=now.broken, ready_at=now.ready_at
                )
                if files:
                    self._reload(files)
                continue
            if not self._process.ended.done():
                continue
            code = self._process.ended.result()
            if self._is_final(code):
                change.cancel()
                return _exit_code(code, rehearsal=self._is_rehearsal)
            self._replace(
                f"the app's process {how_it_ended(code)}; it is started again when a file changes"
            )

    @property
    def _is_rehearsal(self) -> bool:
        return self._assignment.provision.dry_run

    def _is_final(self, code: int) -> bool:
        """Whether the serving process ended, with ``code``, for good."""
        if code == EXPLAINED or self._is_rehearsal:
            return True
        self._event_hub.tell(ServerEnded(code))
        return not self._assignment.reload or self._assignment.broken is not None

    def _reload(self, files: tuple[str, ...]) -> None:
        self._event_hub.tell(Reloading(files))
        env_file = self._assignment.env_file
        names = {".env"} if env_file is None else {".env", env_file.name}
        if names.intersection(Path(each).name for each in files):
            self._spawner.forget()
        self._replace(None)

    def _replace(self, broken: str | None) -> None:
        """Make the next generation the current one."""
        self._give_up_succession()
        generation = self._assignment.generation + 1
        self._assignment = replace(
            self._assignment,
            generation=generation,
            broken=broken,
            note_writes=self._relevant.suspects_a_loop,
        )
        old, self._process = self._process, self._spawner.start()
        if old.begun:
            self._accepting = old
        leaving = asyncio.ensure_future(old.stop(self._timings.reload_grace, hand_over=True))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        succession = self._succeed(old, self._process, self._assignment)
        self._succession = {asyncio.ensure_future(succession)}

    def _give_up_succession(self) -> None:
        for each in self._succession:
            each.cancel()
        self._succession.clear()

    def _raise_failures(self) -> None:
        """A succession that fails would leave requests waiting forever."""
        for each in [each for each in self._succession if each.done()]:
            self._succession.discard(each)
            each.result()

    async def _succeed(
        self, old: ServingProcess, new: ServingProcess, assignment: Assignment
    ) -> None:
        """Have ``new`` serve once nothing else accepts and the app before has ended, if quickly.

        An ``old`` one that never began must have ended: it may be in a management request.
        """
        if not old.begun:
            await old.ended
        self._assign(new, assignment)
        await _first(new.loaded, new.ended)
        if new.ended.done():
            return
        if not new.loaded.result():
            await asyncio.sleep(self._timings.doubt)
        await self._accepting.closed
        await asyncio.wait([self._accepting.finished], timeout=self._timings.head_start)
        new.begin()

    def _assign(self, process: ServingProcess, assignment: Assignment) -> None:
        console = self._event_hub.console(process.tell)
        process.assign(replace(assignment, console=console, sources=dict(self._sources)))

        def provide(target: asyncio.Future[Target]) -> None:
            if not target.cancelled() and target.exception() is None:
                process.provide(target.result())

        self._target.add_done_callback(provide)
        loop = asyncio.get_running_loop()
        loop.call_later(self._timings.slow_start, self._note_slow_start, process, assignment)

    def _note_slow_start(self, process: ServingProcess, assignment: Assignment) -> None:
        waits = process.ready_at is None and not process.ended.done()
        # Provisioning takes its time, and says what it does.
        if process is self._process and waits and not assignment.provision.before:
            limit = self._timings.slow_start
            self._event_hub.tell(
                Notice(
                    f"generation {assignment.generation} has not started within {limit:g} s: "
                    "the app is still being imported, or its lifespan has not yielded. "
                    "Requests wait; a save begins anew"
                )
            )

    async def _stop(self, insisted: asyncio.Future[None]) -> None:
        self._give_up_succession()
        ends = {asyncio.ensure_future(self._process.stop(self._timings.stop_grace)), *self._leaving}
        await _first(asyncio.ensure_future(asyncio.wait(ends)), insisted)


def _exit_code(code: int, *, rehearsal: bool) -> int:
    """The command's exit code for that of a serving process: 0 is for a plan that was shown."""
    if code == 0:
        return 0 if rehearsal else 1
    return 1 if code < 0 or code == EXPLAINED else code


async def _first(*futures: asyncio.Future[Any]) -> None:
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
