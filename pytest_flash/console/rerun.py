"""Running a function again with the arguments of an earlier job."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..errors import FlashError, RemoteError
from ..events import EventSink, Notice
from ..functions.classes import RemoteClass
from ..functions.declaration.specs import FunctionSpec
from ..progress import Job

if TYPE_CHECKING:
    from ..functions.calling.calls import RemoteCalls


class CannotRepeatError(FlashError):
    """A job cannot be run again; the message says why."""


class Repeater:
    """Calls functions of the present code with the arguments of jobs, also of earlier code."""

    def __init__(
        self,
        calls: RemoteCalls,
        functions: Callable[[], Sequence[FunctionSpec]],
        on_event: EventSink,
    ) -> None:
        self._calls = calls
        self._functions = functions
        self._on_event = on_event
        self._running: set[asyncio.Task[None]] = set()

    def start(self, job: Job) -> None:
        """Begin a call like that of ``job``, reported as any other.

        Raises CannotRepeatError when its arguments were not kept or the function is gone.
        """
        if job.arguments is None:
            raise CannotRepeatError(
                f"the arguments of this call of {job.function} were too large to keep"
            )
        task = asyncio.ensure_future(self._run(self._function(job), job.arguments, job.input))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, spec: FunctionSpec, arguments: bytes, shown: str | None) -> None:
        try:
            await self._calls.repeat(spec, arguments, shown)
        except FlashError as error:
            if not isinstance(error, RemoteError):
                self._on_event(Notice(f"{spec.name} could not be run again: {error}"))
        except Exception:  # noqa: BLE001, S110 - the function's own, reported as its job's end
            pass

    def _function(self, job: Job) -> FunctionSpec:
        file, name = job.location.rpartition(":")[0], job.function
        here = {each.name: each for each in self._functions() if each.file == file}
        kind, _, method = name.rpartition(".")
        if name in here:
            return here[name]
        if kind in here and hasattr(here[kind].function, method):
            return RemoteClass(here[kind], local=False).method(method)
        raise CannotRepeatError(f"the present code has no remote function {name} in {file}")
