"""Where the unfinished jobs and requests of a test hang, in words."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..errors import RunpodError
from ..runpod import QueueClient
from .jobs import Job, Jobs


async def report_hangs(jobs: Jobs, requests: Sequence[str], queue: QueueClient) -> str:
    """A paragraph for each unfinished job and each endpoint they are on, and the app's requests."""
    unfinished = list(jobs)
    parts = [await _job(job, queue) for job in unfinished]
    for endpoint_id, name in {job.endpoint_id: job.endpoint for job in unfinished}.items():
        parts.append(f"endpoint {name}: {await _health(endpoint_id, queue)}")
    if requests:
        parts.append("requests under way:\n" + "\n".join(f"  {line}" for line in requests))
    return "\n".join(parts) or "no job and no request is under way"


async def _job(job: Job, queue: QueueClient) -> str:
    age = f"{time.monotonic() - job.started:.1f} s old"
    if job.id is None:
        return f"{job.function} on {job.endpoint}: submitted, not named yet, {age}"
    try:
        state = (await queue.status(job.endpoint_id, job.id)).state.value
    except RunpodError as error:
        state = f"unknown ({error})"
    lines = [f"{job.function} on {job.endpoint}: job {job.id} is {state}, {age}"]
    if job.stdout.strip():
        lines.append(f"  its last line: {job.stdout.strip().splitlines()[-1]}")
    return "\n".join(lines)


async def _health(endpoint_id: str, queue: QueueClient) -> str:
    try:
        health = await queue.health(endpoint_id)
    except RunpodError as error:
        return f"no health ({error})"
    groups = (
        f"{group} {', '.join(f'{name} {count}' for name, count in counts.items() if count) or '0'}"
        for group, counts in health.items()
        if isinstance(counts, dict)
    )
    return "; ".join(groups)
