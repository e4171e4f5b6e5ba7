"""What is reported of calls, as events."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from ...events import EventSink, JobEnded, JobNamed, JobOutput, JobStarted
from ...runpod import Endpoint, JobStatus
from ..declaration.specs import FunctionSpec
from ..onworker.signing import Signer
from ..protocol import function_messages
from .job_results import Outcome


@dataclass(frozen=True)
class Arguments:
    """The arguments of a call: as they are sent, and, where values are recorded, in words.

    ``signer`` knows what the call's own code on the worker says; ``aloud`` that this is some of it
    while it runs. ``kept`` is what a call with the same arguments can be made of, unless it is
    large.
    """

    sent: tuple[bytes, ...] = field(repr=False)
    signer: Signer
    aloud: bool
    shown: str | None = None
    kept: bytes | None = None


class Reports:
    """Numbers the calls of one session and knows the workers it has met. Thread-safe."""

    def __init__(self, on_event: EventSink) -> None:
        self._on_event = on_event
        self._numbers = itertools.count(1)
        self._workers: set[tuple[str, str]] = set()

    def start(self, spec: FunctionSpec, endpoint: Endpoint, arguments: Arguments) -> CallReport:
        """A call begins."""
        report = CallReport(next(self._numbers), spec, endpoint, self._on_event, self._workers)
        report.begun(arguments)
        return report


def _nothing() -> None:
    """Nobody wants to know that a call has ended."""


class CallReport:
    """Reports one call, each step at most once."""

    def __init__(
        self,
        number: int,
        spec: FunctionSpec,
        endpoint: Endpoint,
        on_event: EventSink,
        workers: set[tuple[str, str]],
    ) -> None:
        self._number = number
        self._spec = spec
        self._endpoint = endpoint
        self._on_event = on_event
        self._workers = workers
        self._job_id: str | None = None
        self._ended = False
        self.at_end: Callable[[], None] = _nothing

    def begun(self, arguments: Arguments) -> None:
        """The job is being submitted."""
        self._on_event(
            JobStarted(
                self._number,
                self._spec.name,
                self._spec.location,
                self._endpoint.name,
                self._endpoint.id,
                input=arguments.shown,
                arguments=arguments.kept,
            )
        )

    def named(self, job: JobStatus) -> None:
        """The job's id is known."""
        if self._job_id is None:
            self._job_id = job.id
            if not job.state.is_terminal:
                self._on_event(JobNamed(self._number, job.id))

    def ended(self, job: JobStatus, outcome: Outcome, result: str | None) -> None:
        """The job is terminal; ``result`` is what it returned, in words. All of its output has
        been told."""
        if self._ended:
            return
        response = function_messages.read_response(job.output)
        worker = (self._endpoint.id, job.worker_id) if job.worker_id else None
        cold = worker is not None and worker not in self._workers
        if worker is not None:
            self._workers.add(worker)
        error = job.error or (response.error if response else None)
        if error is None and outcome.error is not None:
            error = str(outcome.error)
        self._end(job, cold, outcome.output.text, error, result, outcome.traceback)

    def heard(self, text: str, worker_id: str | None) -> None:
        """The function printed or logged ``text``, and Runpod may not have named its job."""
        self.output(self._job_id or "", worker_id, text)

    def output(self, job_id: str, worker_id: str | None, text: str) -> None:
        """The function printed or logged ``text``."""
        if text:
            self._on_event(
                JobOutput(
                    call=self._number,
                    function=self._spec.name,
                    location=self._spec.location,
                    endpoint=self._endpoint.name,
                    job_id=job_id,
                    worker_id=worker_id,
                    text=text,
                )
            )

    def broken(self, error: BaseException) -> None:
        """The call ended before its job did."""
        text = str(error) or type(error).__name__
        if isinstance(error, asyncio.CancelledError):
            text = "its caller gave up, or was cancelled, before there was a result"
        self._end(None, False, "", text)

    def _end(
        self,
        job: JobStatus | None,
        cold: bool,
        stdout: str,
        error: str | None,
        output: str | None = None,
        traceback: str | None = None,
    ) -> None:
        if self._ended:
            return
        self._ended = True
        self.at_end()
        self._on_event(
            JobEnded(
                call=self._number,
                function=self._spec.name,
                location=self._spec.location,
                endpoint=self._endpoint.name,
                endpoint_id=self._endpoint.id,
                job_id=self._job_id,
                state=job.state.value if job else None,
                delay_time=job.delay_time if job else None,
                execution_time=job.execution_time if job else None,
                worker_id=job.worker_id if job else None,
                cold=cold,
                stdout=stdout,
                error=error,
                output=output,
                traceback=traceback,
            )
        )
