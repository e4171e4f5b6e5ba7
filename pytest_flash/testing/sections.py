"""What a failed test's report tells beside pytest's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import JobTimedOutError
from .frames import explained
from .jobs import Job, table

if TYPE_CHECKING:
    import pytest

    from .session import FlashSession

# Of a worker's output the end is shown.
_OUTPUT = 20_000


def sections(
    session: FlashSession, failure: pytest.ExceptionInfo[BaseException] | None
) -> Iterator[tuple[str, str]]:
    """Titles with texts: the app's tracebacks, the jobs, their tracebacks and output, hangs."""
    session.settle()
    for each in session.recorder.errors:
        yield f"flash: the app raised ({each.request})", explained(each.error)
    jobs = session.recorder.recent
    if jobs:
        yield "flash: jobs of this test", table(jobs)
    for job in jobs:
        if job.failed:
            yield f"flash: {_named(job)} failed", job.traceback or job.error or "no error text"
        if job.stdout and not session.recorder.tells_output:
            yield f"flash: output of {_named(job)}", job.stdout[-_OUTPUT:]
    told = failure is not None and isinstance(failure.value, JobTimedOutError)
    if session.hangs and not told:
        yield "flash: still under way", session.explain_hang()


def _named(job: Job) -> str:
    return f"{job.function} (job {job.id})" if job.id else job.function
