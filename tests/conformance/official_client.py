"""Calls the official ``runpod`` client for a test: one JSON request a line, one JSON answer.

Runs in the environment of the official packages. A request is ``[name, argument…]`` with the name
of a function below; the answer is ``{"value": …}``, or ``{"error": [type, text]}``.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import runpod
from runpod import AsyncioEndpoint, AsyncioJob
from runpod.endpoint.runner import Job
from runpod.http_client import ClientSession

CALLS: dict[str, Callable[..., Any]] = {}


def call(function: Callable[..., Any]) -> Callable[..., Any]:
    CALLS[function.__name__] = function
    return function


@call
def run(endpoint: str, content: Any) -> str:
    return str(runpod.Endpoint(endpoint).run(content).job_id)


@call
def run_sync(endpoint: str, content: Any) -> Any:
    return runpod.Endpoint(endpoint).run_sync(content, timeout=60)


def _job(endpoint: str, job: str) -> Job:
    return Job(endpoint, job, runpod.Endpoint(endpoint).rp_client)


@call
def status(endpoint: str, job: str) -> str:
    return str(_job(endpoint, job).status())


@call
def output(endpoint: str, job: str) -> Any:
    return _job(endpoint, job).output(timeout=60)


@call
def stream(endpoint: str, job: str) -> list[Any]:
    return list(_job(endpoint, job).stream())


@call
def cancel(endpoint: str, job: str) -> Any:
    return _job(endpoint, job).cancel()


@call
def health(endpoint: str) -> Any:
    return runpod.Endpoint(endpoint).health()


@call
def purge_queue(endpoint: str) -> Any:
    return runpod.Endpoint(endpoint).purge_queue()


@call
def async_run(endpoint: str, content: Any) -> Any:
    """A job followed to its end: its status at first, its output, its last status."""

    async def follow() -> list[Any]:
        async with ClientSession() as session:
            job: AsyncioJob = await AsyncioEndpoint(endpoint, session).run(content)
            first = await job.status()
            return [first, await job.output(timeout=60), await job.status()]

    return asyncio.run(follow())


@call
def async_stream(endpoint: str, content: Any) -> list[Any]:
    async def follow() -> list[Any]:
        async with ClientSession() as session:
            job = await AsyncioEndpoint(endpoint, session).run(content)
            return [item async for item in job.stream()]

    return asyncio.run(follow())


@call
def async_cancel_purge_health(endpoint: str) -> list[Any]:
    """Two jobs: one cancelled, the other purged."""

    async def follow() -> list[Any]:
        async with ClientSession() as session:
            remote = AsyncioEndpoint(endpoint, session)
            first, second = await remote.run({"number": 1}), await remote.run({"number": 2})
            cancelled = await first.cancel()
            purged = await remote.purge_queue()
            return [
                cancelled["status"],
                await first.status(),
                purged,
                await second.status(),
                await remote.health(),
            ]

    return asyncio.run(follow())


@call
def strict_job(body: Any) -> Any:
    """What the strictest known client makes of a terminal status body."""
    from runpod_flash.core.resources.serverless import JobOutput

    return JobOutput(**body).model_dump()


@call
def strict_health(body: Any) -> Any:
    from runpod_flash.core.resources.serverless import ServerlessHealth

    return ServerlessHealth(**body).model_dump()


def main() -> None:
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        runpod.api_key = os.environ["TEST_KEY"]  # importing runpod_flash sets it to None
        try:
            answer = {"value": CALLS[name](*arguments)}
        except Exception as error:  # noqa: BLE001 - whatever it is, the test judges it
            answer = {"error": [type(error).__name__, str(error)]}
        # Not its stdout: the packages log there.
        os.write(int(sys.argv[1]), json.dumps(answer).encode() + b"\n")


main()
