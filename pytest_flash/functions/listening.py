"""What a job prints, heard while it runs, from the log of its worker."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from ..errors import RunpodError
from ..runpod import Endpoint, JobStatus, LogClient

# Jobs that are over sooner tell all they printed with their result.
_PATIENCE = 1.0
# A logged line as the worker prints it, and as our code on it keeps it (logging.BASIC_FORMAT).
_LOGGED_THERE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \| ([A-Z]+) *\| (.*)", re.DOTALL)
_LOGGED = re.compile(r"([A-Z]+):[^:]*:(.*)", re.DOTALL)
# The worker's own lines.
_NOT_OF_JOBS = ("flash worker: ",)


class Listening:
    """Listens to one job's worker, and tells each line once. ``hear`` gets whole lines.

    A worker has one job at a time: what it prints from the job's beginning on is the job's.
    """

    def __init__(self, logs: LogClient | None, endpoint: Endpoint) -> None:
        self._logs = logs
        self._endpoint = endpoint
        self._submitted = datetime.now(timezone.utc)
        self._began = time.monotonic()
        self._heard: list[str] = []
        self._task: asyncio.Task[None] | None = None

    @property
    def text(self) -> str:
        """Everything that was heard."""
        return "".join(self._heard)

    def update(self, job: JobStatus, hear: Callable[[JobStatus, str], None]) -> None:
        """The job was looked at: begin to listen once it has run for a while."""
        if self._logs is None or job.worker_id is None:
            return
        if self._task is not None and (self._heard or not self._task.done()):
            return  # A log that could not be had is asked for again.
        if job.state.is_terminal or time.monotonic() - self._began < _PATIENCE:
            return
        begun = self._submitted + timedelta(milliseconds=job.delay_time or 0)
        self._task = asyncio.ensure_future(self._listen(self._logs, job, begun, hear))

    async def stop(self) -> None:
        """Listen no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def rest(self, output: str) -> str:
        """The lines of ``output``, all that the job printed, that were not heard."""
        heard = Counter(map(_known_by, self._heard))
        rest = []
        for line in output.splitlines(keepends=True):
            whole = line if line.endswith("\n") else f"{line}\n"
            if heard[_known_by(whole)] > 0:
                heard[_known_by(whole)] -= 1
            else:
                rest.append(line)
        return "".join(rest)

    async def _listen(
        self,
        logs: LogClient,
        job: JobStatus,
        begun: datetime,
        hear: Callable[[JobStatus, str], None],
    ) -> None:
        assert job.worker_id is not None
        # Where the log cannot be had, the result brings what was printed.
        with contextlib.suppress(RunpodError):
            async for line in logs.lines(self._endpoint.id, job.worker_id, begun):
                if not line.startswith(_NOT_OF_JOBS):
                    self._heard.append(f"{line}\n")
                    hear(job, f"{line}\n")


def _known_by(line: str) -> str:
    """What ``line`` is recognised by: logged ones are formatted by the worker in its own way."""
    logged = _LOGGED_THERE.match(line) or _LOGGED.match(line)
    return ":".join(logged.groups()) if logged else line
