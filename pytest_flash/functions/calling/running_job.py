"""A job that Runpod has named, until its end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import anyio

from ...backoff import Backoff
from ...clock import monotonic
from ...errors import (
    JobLostError,
    NotFoundError,
    RemoteError,
    RunpodApiError,
    RunpodConnectionError,
    RunpodError,
)
from ...rate_limit import SlidingWindow
from ...runpod import Endpoint, JobStatus
from ..declaration.specs import FunctionSpec
from ..output.job_output import JobListener
from ..protocol.function_messages import CapturedOutput
from ..protocol.short_values import shown
from .call_events import CallReport
from .job_results import Outcome, outcome_of
from .submission import until_cancelled
from .transport import JobQueue

_INTERVALS = Backoff(0.05, 0.5, factor=1.5)
_POLLS_AT_ONCE = 20
# How long a caller that was cancelled is held back while its job is being cancelled.
_CANCELLING = 2.0


class Polling:
    """Asks for the state of jobs. ``outage``: seconds for which that may fail in a row.

    All that follow jobs of one endpoint share the requests that may be sent to it, so that each
    job is asked for less often the more there are.
    """

    def __init__(self, queue: JobQueue, outage: float) -> None:
        self.queue = queue
        self._outage = outage
        self._windows: dict[str, SlidingWindow] = {}

    async def until_terminal(
        self, endpoint: Endpoint, job: JobStatus, seen: Callable[[JobStatus], None]
    ) -> JobStatus:
        """Poll until ``job`` is over; the server ends it at its own time limits.

        ``seen`` is told of it after every poll.

        A poll that fails is repeated, after the pause that a 429 asks for. Raises NotFoundError
        for a job that is not known any more, and after an outage the last failure.
        """
        intervals, answered = _INTERVALS.pauses(), monotonic()
        asked = 0.0
        while not job.state.is_terminal:
            await anyio.sleep(max(next(intervals), asked))
            await anyio.sleep(self._turn(endpoint.id))
            asked = 0.0
            try:
                job = await self.queue.status(endpoint.id, job.id)
                answered = monotonic()
                seen(job)
            except (RunpodApiError, RunpodConnectionError) as error:
                if not _passes(error) or monotonic() - answered > self._outage:
                    raise
                asked = float(getattr(error, "retry_after", None) or 0)
        return job

    def _turn(self, endpoint_id: str) -> float:
        """Take the next turn of an endpoint; how many seconds it is away."""
        window = self._windows.get(endpoint_id)
        if window is None:
            seconds = _POLLS_AT_ONCE / self.queue.status_rate
            window = self._windows[endpoint_id] = SlidingWindow(_POLLS_AT_ONCE, seconds)
        return window.reserve(monotonic())


class Flight:
    """One job: follow it, cancel it. ``report`` is told how it ends, once."""

    def __init__(
        self,
        spec: FunctionSpec,
        endpoint: Endpoint,
        job: JobStatus,
        report: CallReport,
        polling: Polling,
        listening: JobListener,
        record_values: bool,
    ) -> None:
        self.spec = spec
        self.endpoint = endpoint
        self.job = job
        self.outcome: Outcome | None = None
        self._report = report
        self._polling = polling
        self._record_values = record_values
        self._listening = listening
        self._background: set[asyncio.Task[None]] = set()

    async def result(self) -> Any:
        """Follow the job to its end and give its result; a caller that is cancelled cancels it.

        Raises as ``RemoteCalls.call``.
        """
        __tracebackhide__ = True
        try:
            outcome = await self.follow()
        except asyncio.CancelledError as error:
            await self.abandon(error)
            raise
        return outcome.get()

    async def abandon(self, error: BaseException) -> None:
        """Cancel the job, since whoever waited for it was cancelled by ``error``.

        Awaited, since a loop that is being torn down runs no task that begins now.
        """
        await self._insist(self._cancel(), _CANCELLING)
        self._report.broken(error)

    async def follow(self) -> Outcome:
        """Follow the job to its end; a caller that is cancelled leaves it as it is."""
        if self.outcome is None:
            try:
                job = await self._polling.until_terminal(
                    self.endpoint, self.job, self._listening.update
                )
            except NotFoundError as error:
                lost = JobLostError(
                    f"{self.spec.name} ({self.spec.location}): job {self.job.id} is unknown to "
                    f"endpoint {self.endpoint.name}: it expired, or the endpoint was deleted. "
                    "Results are kept for a minute, those of spawn and map for half an hour",
                    job_id=self.job.id,
                    endpoint_id=self.endpoint.id,
                )
                self._report.broken(lost)
                raise lost from error
            except RunpodError as error:
                self._report.broken(error)
                raise
            finally:
                self._listening.stop()
            self.ended(job)
        assert self.outcome is not None
        return self.outcome

    def ended(self, job: JobStatus) -> None:
        """The job is terminal."""
        if self.outcome is None:
            self.job = job
            self.outcome, untold = self._read(job)
            recorded = self._record_values and self.outcome.error is None
            result = shown(self.outcome.value) if recorded else None
            self._report.output(job.id, job.worker_id, untold)
            self._report.ended(job, self.outcome, result)

    @property
    def output(self) -> str:
        """What the function has printed and logged, as far as it is known."""
        return self.outcome.output.text if self.outcome is not None else self._listening.text

    def _read(self, job: JobStatus) -> tuple[Outcome, str]:
        """The outcome, and what of its output has not been told.

        A job that ended without a word has printed what was heard of it.
        """
        outcome = outcome_of(self.spec, self.endpoint, job, self._listening.signer)
        if outcome.error is None or outcome.output.text:
            return outcome, self._listening.rest(outcome.output)
        untold, heard = self._listening.rest(None), self._listening.text
        if isinstance(outcome.error, RemoteError):
            outcome.error.stdout = heard
        return replace(outcome, output=CapturedOutput(heard)), untold

    async def look(self) -> JobStatus:
        """The job as it is now. Raises RunpodError."""
        if self.outcome is None:
            job = await self._polling.queue.status(self.endpoint.id, self.job.id)
            if job.state.is_terminal:
                self.ended(job)
            self.job = job
        return self.job

    async def listen(self) -> None:
        """Look at the job, and from now on hear what it prints. Raises RunpodError."""
        job = await self.look()
        if self.outcome is None and job.worker_id is not None:
            self._listening.seek(job.worker_id)

    async def cancel(self) -> None:
        """Cancel the job, queued or running. Raises RunpodError."""
        if self.outcome is None:
            queue = self._polling.queue
            job = await until_cancelled(lambda: queue.cancel(self.endpoint.id, self.job.id))
            if job.state.is_terminal:
                self.ended(job)

    async def _cancel(self) -> None:
        # Nobody waits for this job any more: where it cannot be cancelled, its time limit ends it.
        queue = self._polling.queue
        with contextlib.suppress(RunpodError):
            await until_cancelled(lambda: queue.cancel(self.endpoint.id, self.job.id))

    async def _insist(self, work: Coroutine[Any, Any, None], seconds: float) -> None:
        """Wait up to ``seconds`` for ``work``, however often the caller is cancelled."""
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        deadline = monotonic() + seconds
        with anyio.CancelScope(shield=True):
            while not task.done() and (left := deadline - monotonic()) > 0:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait({task}, timeout=left)


def _passes(error: Exception) -> bool:
    """Whether a poll that failed so may succeed later: outages, 429 and 5xx."""
    if isinstance(error, RunpodApiError):
        return error.status == 429 or error.status >= 500
    return True
