"""Where the unfinished jobs and requests of a test hang, in words."""

from __future__ import annotations

import asyncio
import re
import textwrap
from collections.abc import Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from anyio import to_thread

from ...clock import monotonic
from ...errors import EmulatorError, RunpodError
from ...functions.calling.transport import JobQueue
from ...progress import Job
from .jobs import Jobs
from .user_frames import is_own

if TYPE_CHECKING:
    from ...emulator.client.control import EmulatorControl, WorkerReport
    from ...target import Target

LONGEST: Final = 5.0
"""Seconds that a report may take."""

# As faulthandler writes it.
_FRAME = re.compile(r'\s*File "(.+)", line \d+')


async def report_hangs(jobs: Jobs, requests: Sequence[str], queue: JobQueue, target: Target) -> str:
    """A paragraph for each unfinished job and each endpoint they are on, and the app's requests.

    Takes ``LONGEST`` seconds at most: what is not known by then is said not to be.
    """
    unfinished = list(jobs)
    names = {job.endpoint_id: job.endpoint for job in unfinished}
    asked = [_job(job, queue) for job in unfinished]
    asked += [_health(endpoint_id, name, queue) for endpoint_id, name in names.items()]
    if unfinished and not target.is_live:
        asked.append(_workers(target, {job.id for job in unfinished}))
    parts = await _answers(asked)
    if requests:
        parts.append("requests under way:\n" + "\n".join(f"  {line}" for line in requests))
    return "\n".join(filter(None, parts)) or "no job and no request is under way"


async def _answers(asked: Sequence[Coroutine[Any, Any, str]]) -> list[str]:
    """What each of ``asked`` returns, as far as it has by the deadline."""
    tasks = [asyncio.ensure_future(each) for each in asked]
    if not tasks:
        return []
    _, unanswered = await asyncio.wait(tasks, timeout=LONGEST)
    for each in unanswered:
        each.cancel()
    parts = [each.result() for each in tasks if each not in unanswered]
    if unanswered:
        parts.append(f"the rest is unknown: Runpod did not answer within {LONGEST:g} s")
    return parts


async def _job(job: Job, queue: JobQueue) -> str:
    age = f"{monotonic() - job.started:.1f} s old"
    if job.id is None:
        return f"{job.function} on {job.endpoint}: submitted, not named yet, {age}"
    try:
        status = await queue.status(job.endpoint_id, job.id)
    except RunpodError as error:
        return f"{job.function} on {job.endpoint}: job {job.id}, {age}, state unknown: {error}"
    lines = [f"{job.function} on {job.endpoint}: job {job.id} is {status.state.value}, {age}"]
    if status.worker_id:
        lines.append(f"  on worker {status.worker_id}")
    if job.stdout.strip():
        lines.append(f"  its last line: {job.stdout.strip().splitlines()[-1]}")
    return "\n".join(lines)


async def _health(endpoint_id: str, name: str, queue: JobQueue) -> str:
    try:
        health = await queue.health(endpoint_id)
    except RunpodError as error:
        return f"endpoint {name}: no health: {error}"
    groups = (
        f"{group}: {', '.join(f'{count} {name}' for name, count in counts.items() if count) or 0}"
        for group, counts in health.items()
        if isinstance(counts, dict)
    )
    return f"endpoint {name}: {'; '.join(groups)}"


async def _workers(target: Target, jobs: set[str | None]) -> str:
    """What the emulator says of the workers that run ``jobs``, and of those in trouble."""
    told = await to_thread.run_sync(_ask_workers, target, jobs, abandon_on_cancel=True)
    return "\n".join(told)


def _ask_workers(target: Target, jobs: set[str | None]) -> list[str]:
    from ...emulator.client.control import EmulatorControl

    try:
        with EmulatorControl(target.management_url, target.api_key) as control:
            return [
                "\n".join(_worker(worker, control))
                for endpoint in control.endpoints()
                for worker in endpoint.workers
                if jobs.intersection(worker.jobs) or worker.problem
            ]
    except EmulatorError as error:
        return [f"the emulator does not tell about its workers: {error}"]


def _worker(worker: WorkerReport, control: EmulatorControl) -> Iterator[str]:
    process = f"process {worker.pid}" if worker.pid is not None else "no process yet"
    problem = f", {worker.problem}" if worker.problem else ""
    yield f"worker {worker.id}: {worker.status}, {process}{problem}"
    if worker.log:
        yield f"  its last line: {worker.log[-1]}"
    if worker.jobs:
        try:
            yield textwrap.indent(_own_part(control.stack(worker.id)), "  ")
        except EmulatorError as error:
            yield f"  {error}"


def _own_part(stack: str) -> str:
    """Of a worker's threads those in the user's code, as deep as that goes; else all of them."""
    threads = (thread.strip().splitlines() for thread in stack.split("\n\n"))
    kept = [lines[: last + 1] for lines in threads if (last := _last_own(lines))]
    return "\n\n".join("\n".join(lines) for lines in kept) or stack.strip()


def _last_own(lines: list[str]) -> int:
    """The index of the outermost frame of the user's; 0, the heading's, if there is none."""
    found = (
        index
        for index, line in enumerate(lines)
        if (frame := _FRAME.match(line)) and is_own(frame.group(1))
    )
    return max(found, default=0)
