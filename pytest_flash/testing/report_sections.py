"""What a failed test's report tells beside pytest's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import JobTimedOutError
from ..functions.onworker.transcript import encodable
from ..progress import Job
from .observing.jobs import table
from .observing.user_frames import explained

if TYPE_CHECKING:
    import pytest

    from .session import FlashSession

# Characters of one section; of a worker's output the end is shown.
_MOST = 20_000


def sections(
    session: FlashSession, failure: pytest.ExceptionInfo[BaseException] | None
) -> Iterator[tuple[str, str]]:
    """Titles with texts: the app's tracebacks, the jobs, their tracebacks and output, hangs.

    Escaped where no encoding has a character: pytest-xdist ends a run whose reports hold one.
    """
    for title, text in _sections(session, failure):
        yield title, encodable(text)


def _sections(
    session: FlashSession, failure: pytest.ExceptionInfo[BaseException] | None
) -> Iterator[tuple[str, str]]:
    session.settle()
    if trouble := session.trouble():
        yield "flash: the embedded Runpod", trouble
    for each in session.recorder.errors:
        yield f"flash: the app raised ({each.request})", _shortened(explained(each.error))
    jobs = session.recorder.recent
    if jobs:
        yield "flash: jobs of this test", table(jobs)
    for job in jobs:
        if job.failed:
            told = job.traceback or job.error or "no error text"
            yield f"flash: {_named(job)} failed", _shortened(told)
        if job.stdout and not session.recorder.tells_output:
            yield f"flash: output of {_named(job)}", _shortened(job.stdout, start=0)
    explains_itself = failure is not None and isinstance(failure.value, JobTimedOutError)
    if session.hangs and not explains_itself and not trouble:
        yield "flash: still under way", session.explain_hang()


def _named(job: Job) -> str:
    return f"{job.function} (job {job.id})" if job.id else job.function


def _shortened(text: str, start: int = _MOST // 2) -> str:
    """``text`` without what is too much: after its first ``start`` characters, before its last."""
    left_out = len(text) - _MOST
    if left_out <= 0:
        return text
    parts = (text[:start], f"... {left_out:,} characters ...", text[start + left_out :])
    return "\n".join(filter(None, parts))
