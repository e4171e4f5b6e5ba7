"""A job of one's own: what ``spawn`` gives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

if TYPE_CHECKING:
    from ...runpod import JobStateName, JobStatus
    from .job_results import Outcome
    from .running_job import Flight

R = TypeVar("R")
# Carries out a piece of work, on whichever event loop, and gives its result.
Through = Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]]


async def directly(work: Coroutine[Any, Any, Any]) -> Any:
    """Carries out ``work`` on the loop of whoever asks."""
    __tracebackhide__ = True
    return await work


class JobHandle(Generic[R]):
    """A job that was submitted: ``await fn.spawn(...)`` gives one.

    ::

        job = await double.spawn(21)
        answer = await job.result(timeout=60)

    The job runs on whatever becomes of the handle. While the event loop that made the
    handle runs, the job is followed to its end, so that its output and its end are reported without
    anyone asking. ``through`` carries out what the handle does on that loop, for handles that are
    used on another.
    """

    def __init__(self, flight: Flight, through: Through = directly) -> None:
        self._flight = flight
        self._following: asyncio.Task[Outcome] | None = None
        self._through = through
        self._follow()

    @property
    def id(self) -> str:
        """The job's id."""
        return self._flight.job.id

    @property
    def endpoint_id(self) -> str:
        """The id of the endpoint that the job is on."""
        return self._flight.endpoint.id

    async def status(self) -> JobStateName:
        """The job's state now: IN_QUEUE, IN_PROGRESS, COMPLETED, FAILED, CANCELLED or TIMED_OUT.

        Raises RunpodError, also for an answer that names any other state.
        """
        job = cast("JobStatus", await self._through(self._flight.look()))
        return job.state.value

    async def result(self, timeout: float | None = None) -> R:
        """Wait for the job's end and give its result, or raise as a call of the function does.

        Raises TimeoutError after ``timeout`` seconds and leaves the job as it is. A task that is
        cancelled while it waits here cancels the job.
        """
        __tracebackhide__ = True
        return cast(R, await self._through(self._result(timeout)))

    async def cancel(self) -> None:
        """Cancel the job, queued or running. Raises RunpodError."""
        await self._through(self._flight.cancel())

    async def logs(self) -> str:
        """What the function has printed and logged, as far as it is known: all of it at the end.

        While the job runs that grows, from the first time on that this is asked. Raises
        RunpodError.
        """
        await self._through(self._flight.listen())
        return self._flight.output

    async def _result(self, timeout: float | None) -> Any:
        __tracebackhide__ = True
        following = self._follow()
        try:
            done, _ = await asyncio.wait({following}, timeout=timeout)
        except asyncio.CancelledError as error:
            await self._flight.abandon(error)
            raise
        if not done:
            # A TimeoutError in every Python: that of asyncio is another one in 3.10.
            raise TimeoutError(f"job {self.id} has not ended within {timeout:g} s")
        return following.result().get()

    def _follow(self) -> asyncio.Task[Outcome]:
        """The task of this loop that follows the job; a new one where the last could not."""
        task = self._following
        if task is None or _is_over(task):
            task = self._following = asyncio.ensure_future(self._flight.follow())
            # Whoever asks for the result is told of an error; the report has been.
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        return task

    def __repr__(self) -> str:
        job = self._flight.job
        return f"<job {job.id} of {self._flight.spec.name}: {job.state.value}>"


def _is_over(task: asyncio.Task[Outcome]) -> bool:
    if task.done():
        return task.cancelled() or task.exception() is not None
    return task.get_loop() is not asyncio.get_running_loop()
