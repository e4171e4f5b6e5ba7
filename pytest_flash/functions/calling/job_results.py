"""What became of a job that is over."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from ...errors import JobFailedError, UnreadableResultError
from ...runpod import Endpoint, JobState, JobStatus
from ..declaration.specs import FunctionSpec
from ..errors.job_failures import failure, located
from ..onworker.signing import Signer
from ..protocol import function_messages
from ..protocol.function_messages import CapturedOutput, UnsignedResultError
from ..shipping.unsendable_values import clause


@dataclass(frozen=True)
class Outcome:
    """The ``value`` that a function returned, or the ``error`` to raise; what it printed."""

    value: Any = None
    error: Exception | None = None
    output: CapturedOutput = field(default_factory=CapturedOutput)
    frames: TracebackType | None = None

    def get(self) -> Any:
        """The value, or raise the error."""
        __tracebackhide__ = True
        if self.error is None:
            return self.value
        # Each time with the frames that the worker gave, not those of an earlier raise.
        raise self.error.with_traceback(self.frames)

    @property
    def traceback(self) -> str | None:
        """The remote traceback of a function that raised."""
        text = getattr(self.error, "remote_traceback", None)
        # An exception of the project's own may have such an attribute itself.
        return text if isinstance(text, str) else None


def outcome_of(spec: FunctionSpec, endpoint: Endpoint, job: JobStatus, signer: Signer) -> Outcome:
    """Read a terminal ``job`` of a call whose arguments had the signer's secret."""
    response = function_messages.read_response(job.output)
    if job.state is not JobState.COMPLETED or (response and not response.success):
        described, output = None, CapturedOutput()
        if response is not None:
            described, output = function_messages.read_description(response, signer)
        error = failure(spec, endpoint, job, response, described, output.text)
        return Outcome(error=error, output=output, frames=error.__traceback__)
    if response is None:
        return _foreign(spec, endpoint, job, f"is no FunctionResponse: {str(job.output)[:200]!r}")
    try:
        read, output = function_messages.read_result(response, signer)
    except UnsignedResultError as error:
        reason = f"was not written by the code that was sent, and is not unpickled: {error}"
        return _foreign(spec, endpoint, job, reason, CapturedOutput(response.stdout))
    try:
        return Outcome(read(), output=output)
    except Exception as error:  # noqa: BLE001 - unpickling runs code of any class
        unreadable = UnreadableResultError(
            f"{spec.name} ({spec.location}) returned a value that cannot be read here: "
            f"{type(error).__name__}: {clause(error)}. Return plain data, or types of packages "
            "that are installed here too, in the same versions of packages and Python"
        )
        unreadable.__cause__ = error
        return Outcome(error=located(unreadable, endpoint, job, output.text), output=output)


def _foreign(
    spec: FunctionSpec,
    endpoint: Endpoint,
    job: JobStatus,
    what: str,
    output: CapturedOutput | None = None,
) -> Outcome:
    """A success of something else than the code that the call sent."""
    output = output or CapturedOutput()
    error = JobFailedError(
        f"{spec.name} ({spec.location}) on endpoint {endpoint.name}: the answer"
        f"{job.id and f' of job {job.id}'} {what}. The endpoint's image must be a Flash worker "
        "image"
    )
    return Outcome(error=located(error, endpoint, job, output.text), output=output)
