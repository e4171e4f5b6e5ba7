"""Calls of remote functions during a test: from any loop, stubbed, and never forever."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from anyio import to_thread

from ..clock import monotonic
from ..errors import ConfigurationError, EmulatorError, JobCancelledError, JobTimedOutError
from ..functions.calling.calls import RemoteCalls
from ..functions.calling.handle import JobHandle
from ..functions.classes import RemoteClass
from ..functions.declaration.specs import FunctionSpec
from ..functions.shipping.synthetic_frames import remote_part
from ..process.loop_thread import LoopThread, outcome, settled
from ..progress import Job
from ..runpod import Endpoint
from .observing.recorder import ActivityRecord, Recorder

T = TypeVar("T")

# What a test leaves behind is cancelled, and waited for, for so long; no longer than a moment
# where Runpod cannot answer.
_ENDING, _ENDING_IN_TROUBLE = 5.0, 0.2
# How often a call that takes long looks whether Runpod can answer, and after how many looks in a
# row at one that cannot the call fails.
_LOOK, _LOOKS = 2.0, 2


class _StandIn:
    """What runs in place of a function, or of a class and its methods."""

    def __init__(self, spec: FunctionSpec) -> None:
        self.spec = spec
        self._kind = RemoteClass(spec, local=False) if inspect.isclass(spec.function) else None

    def instead_of(self, spec: FunctionSpec) -> FunctionSpec:
        """Raises ConfigurationError for a method that this class lacks."""
        __tracebackhide__ = True
        if self._kind is None or spec.method is None:
            return self.spec
        try:
            return self._kind.method(spec.method)
        except AttributeError:
            raise ConfigurationError(
                f"{spec.name} was called, and {self.spec.name} ({self.spec.location}), which "
                f"stands in for its class, has no {spec.method}"
            ) from None


class SessionCalls:
    """Runs remote functions for tests on a loop of its own; a ``Caller``.

    A call may last as long as its function may run and ``startup_timeout`` seconds more.
    ``explain`` says where a call hangs that exceeds it; ``cancel`` cancels jobs. ``trouble`` says
    why Runpod cannot answer now, if it cannot; it blocks for a moment.
    """

    def __init__(
        self,
        calls: RemoteCalls,
        endpoint_for: Callable[[FunctionSpec], Awaitable[Endpoint]],
        loop: LoopThread,
        *,
        recorder: Recorder,
        startup_timeout: float,
        explain: Callable[[], Awaitable[str]],
        cancel: Callable[[Sequence[Job]], Awaitable[None]],
        trouble: Callable[[], str],
    ) -> None:
        self._calls = calls
        self._endpoint_for = endpoint_for
        self._loop = loop
        self._recorder = recorder
        self._startup_timeout = startup_timeout
        self._explain = explain
        self._cancel = cancel
        self._trouble = trouble
        self._stubs: dict[object, list[_StandIn]] = {}
        self._active: dict[asyncio.Task[Any], ActivityRecord] = {}
        self._overdue: set[asyncio.Task[Any]] = set()

    async def call(
        self, spec: FunctionSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Run ``spec``, or what is stubbed for it. Raises as ``RemoteCalls.call``."""
        __tracebackhide__ = True
        shipped = self._shipped(spec)
        try:
            work = self._calls.call(shipped, args, kwargs)
            return await self._submitted(shipped, work, stubbed=spec)
        except Exception as error:  # noqa: BLE001 - a function may raise anything
            # The worker's frames tell where it was; our own say nothing more.
            raise error.with_traceback(remote_part(error.__traceback__))  # noqa: B904 - the same

    async def spawn(
        self, spec: FunctionSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> JobHandle[Any]:
        """Submit a job for ``spec``, or for what is stubbed for it. Raises as ``call``."""
        __tracebackhide__ = True
        shipped = self._shipped(spec)
        through = functools.partial(self._carried, shipped)
        work = self._calls.spawn(shipped, args, kwargs, through=through)
        return await self._submitted(shipped, work, stubbed=spec)

    def construct(
        self, spec: FunctionSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """As ``RemoteCalls.construct``."""
        return self._calls.construct(self._shipped(spec), args, kwargs)

    async def _carried(self, spec: FunctionSpec, work: Coroutine[Any, Any, Any]) -> Any:
        """Await what a handle does on the loop of the calls."""
        __tracebackhide__ = True
        try:
            return await self._submitted(spec, work)
        except Exception as error:  # noqa: BLE001 - as above
            raise error.with_traceback(remote_part(error.__traceback__))  # noqa: B904 - the same

    def stub(self, spec: FunctionSpec, replacement: FunctionSpec) -> None:
        """From now on run ``replacement`` in place of ``spec``."""
        self._stubs.setdefault(_known_by(spec), []).append(_StandIn(replacement))

    def unstub(self, spec: FunctionSpec, replacement: FunctionSpec) -> None:
        """Run what ran before ``replacement``: the function, or another replacement of it."""
        known_by = _known_by(spec)
        stubs = self._stubs.get(known_by, ())
        self._stubs[known_by] = [each for each in stubs if each.spec is not replacement]

    @property
    def under_way(self) -> bool:
        """Whether calls of tests are under way."""
        return any(owner is not self._recorder.lasting for owner in list(self._active.values()))

    def end(self, *, lasting: bool) -> None:
        """Cancel calls that are under way and their jobs, and wait until that is done.

        Those of tests; with ``lasting`` those of what outlives a test too.
        """
        patience = _ENDING_IN_TROUBLE if self._trouble() else _ENDING
        self._loop.run(self._end(lasting, patience), 3 * _ENDING)

    async def _end(self, lasting: bool, patience: float) -> None:
        ending = {
            task
            for task, owner in self._active.items()
            if lasting or owner is not self._recorder.lasting
        }
        self._overdue |= ending
        for task in ending:
            task.cancel()
        cancelling = asyncio.ensure_future(self._cancel(self._recorder.unfinished(lasting=lasting)))
        _, unanswered = await asyncio.wait({cancelling}, timeout=patience)
        if unanswered:
            # Their own time limits end them: the next test is not to wait for the same again.
            cancelling.cancel()
            self._recorder.give_up(lasting=lasting)
        if self._active.keys() <= ending:
            await settled(patience)
        elif ending:
            await asyncio.wait(ending, timeout=patience)

    def _shipped(self, spec: FunctionSpec) -> FunctionSpec:
        """What runs for ``spec``: its last stub that is in place, or itself."""
        __tracebackhide__ = True
        stubs = self._stubs.get(_known_by(spec))
        return stubs[-1].instead_of(spec) if stubs else spec

    async def _submitted(
        self, spec: FunctionSpec, work: Coroutine[Any, Any, T], stubbed: FunctionSpec | None = None
    ) -> T:
        __tracebackhide__ = True
        original = None if stubbed is spec else stubbed
        limited = self._limited(spec, work, self._recorder.owner, original)
        try:
            return await outcome(self._loop.submit(limited))
        finally:
            # Cancelled before it began: Python would warn that nobody awaited it.
            if inspect.getcoroutinestate(work) == inspect.CORO_CREATED:
                work.close()

    async def _limited(
        self,
        spec: FunctionSpec,
        work: Coroutine[Any, Any, T],
        owner: ActivityRecord,
        stubbed: FunctionSpec | None,
    ) -> T:
        """Await ``work`` for ``owner``: for so long, and no longer than its test lasts."""
        here = asyncio.current_task()
        assert here is not None
        self._active[here] = owner
        try:
            with self._recorder.on_behalf_of(owner, stubbed):
                return await self._within_deadline(spec, work)
        except asyncio.CancelledError:
            if here not in self._overdue:
                raise
            raise JobCancelledError(
                f"{spec.name} ({spec.location}): the test that called it has ended, and its "
                "unfinished jobs are cancelled"
            ) from None
        finally:
            del self._active[here]
            self._overdue.discard(here)

    async def _within_deadline(self, spec: FunctionSpec, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.ensure_future(work)
        try:
            endpoint = await self._endpoint_for(spec)
            limit = endpoint.timeout / 1000 + self._startup_timeout
            await self._await(spec, task, limit)
            if task.done():
                return task.result()
            report = await self._explain()
            raise JobTimedOutError(
                f"{spec.name} ({spec.location}) on endpoint {endpoint.name}: no result within "
                f"{limit:g} s, which is the function's limit of {endpoint.timeout / 1000:g} s and "
                f"{self._startup_timeout:g} s to start\n\n{report}",
                endpoint_id=endpoint.id,
            )
        finally:
            task.cancel()

    async def _await(self, spec: FunctionSpec, task: asyncio.Task[Any], limit: float) -> None:
        """Wait for ``task``, up to ``limit`` seconds. Raises EmulatorError where Runpod is stopped,
        and stays so."""
        deadline, looks = monotonic() + limit, 0
        while not task.done() and (left := deadline - monotonic()) > 0:
            await asyncio.wait({task}, timeout=min(left, _LOOK))
            if task.done():
                return
            trouble = await to_thread.run_sync(self._trouble)
            looks = looks + 1 if trouble else 0
            if looks >= _LOOKS:
                raise EmulatorError(f"{spec.name} ({spec.location}) has no result: {trouble}")


def _known_by(spec: FunctionSpec) -> object:
    """What a function or a method is stubbed with: itself, or its class."""
    if spec.owner is not None:
        return spec.owner
    return spec.function if inspect.isclass(spec.function) else spec
