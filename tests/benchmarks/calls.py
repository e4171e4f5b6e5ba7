"""Calls of remote functions: what they cost beside the job, here and through the official SDK."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_flash import CpuLiveServerless
from pytest_flash.http.messages import Request, Timeouts
from pytest_flash.http.pool import AsyncClient
from pytest_flash.settings import API_KEY
from tests.benchmarks.bare import bare_uvicorn
from tests.benchmarks.graphql import graphql
from tests.benchmarks.measure import machine, quantile, table
from tests.benchmarks.projects import SIZES, projects_table
from tests.benchmarks.sleeping import echo, sleep
from tests.benchmarks.stand import Stand, stand
from tests.conformance.environment import official_python
from tests.support.environment import clean_environment

_LENGTHS = (0.0, 0.1, 0.5, 2.0)
_OFFICIAL = Path(__file__).with_name("official_calls.py")
_OFFICIAL_LIMIT = 900.0
# As many bytes as their name says, and as JSON carries them: base64 makes 4 of 3.
_SIZES = {"1 MB": 1_000_000, "8 MB": 8_000_000}
_TRIES = 10


@dataclass(frozen=True)
class Overheads:
    """For one length of job: seconds above the job's own time, and CPU seconds for each call."""

    overheads: list[float]
    cpu: float

    @property
    def median(self) -> float:
        """The median overhead in seconds."""
        return statistics.median(self.overheads)


def ours(place: Stand, times: int) -> list[Overheads]:
    """Calls through this package, one after another; the first of all is not counted."""
    resource = CpuLiveServerless(name="ours", workersMin=1, workersMax=1)
    place.provision(resource)
    spec, calls = place.spec(sleep, resource), place.session.calls

    async def measure() -> list[Overheads]:
        await calls.call(spec, (0.0,), {})
        measured = []
        for length in _LENGTHS:
            overheads, cpu = [], time.process_time()
            for _ in range(times):
                began = time.perf_counter()
                slept = await calls.call(spec, (length,), {})
                overheads.append(time.perf_counter() - began - slept)
            measured.append(Overheads(overheads, (time.process_time() - cpu) / times))
        return measured

    return asyncio.run(measure())


def official(place: Stand, times: int) -> list[Overheads]:
    """The same calls through the official SDK, in its own environment, on the same emulator."""
    target = place.session.target
    with graphql(target) as base:
        variables = {
            API_KEY: target.api_key,
            "RUNPOD_API_BASE_URL": base,
            "RUNPOD_ENDPOINT_BASE_URL": target.queue_url,
            "LOG_LEVEL": "ERROR",
        }
        done = subprocess.run(
            [official_python(), _OFFICIAL, json.dumps({"lengths": _LENGTHS, "times": times})],
            cwd=place.folder,
            env=clean_environment(**variables),
            stdout=subprocess.PIPE,
            text=True,
            timeout=_OFFICIAL_LIMIT,
            check=True,
        )
    return [Overheads(**each) for each in json.loads(done.stdout.splitlines()[-1])]


@dataclass(frozen=True)
class Flight:
    """Many calls at once: seconds and CPU seconds for all of them."""

    calls: int
    seconds: float
    cpu: float
    took: list[float]


def in_flight(place: Stand, many: int, workers: int) -> Flight:
    """Start ``many`` calls of 0 s at once, from one process."""
    resource = CpuLiveServerless(name="flight", workersMin=workers, workersMax=workers)
    place.provision(resource)
    spec, calls = place.spec(sleep, resource), place.session.calls
    took: list[float] = []

    async def one() -> None:
        began = time.perf_counter()
        await calls.call(spec, (0.0,), {})
        took.append(time.perf_counter() - began)

    async def every() -> Flight:
        await one()
        took.clear()
        began, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(one() for _ in range(many)))
        return Flight(many, time.perf_counter() - began, time.process_time() - cpu, took)

    return asyncio.run(every())


def payloads(place: Stand, bare: str) -> list[list[object]]:
    """Echoes of bytes through a remote function, and through a bare uvicorn as they travel."""
    resource = CpuLiveServerless(name="payloads", workersMin=1, workersMax=1)
    place.provision(resource)
    spec, calls = place.spec(echo, resource), place.session.calls

    async def measure() -> list[list[object]]:
        rows: list[list[object]] = []
        async with contextlib.aclosing(AsyncClient()) as client:

            async def carried(value: bytes) -> bytes:
                request = Request.to("POST", bare, (), value)
                return (await client.send(request, Timeouts(60, 60))).body

            async def called(value: bytes) -> Any:
                return await calls.call(spec, (value,), {})

            for name, size in _SIZES.items():
                value, carriage = bytes(size), bytes(size * 4 // 3)
                call, alone = await _medians(
                    lambda value=value: called(value),  # type: ignore[misc]
                    lambda carriage=carriage: carried(carriage),  # type: ignore[misc]
                )
                rows.append(
                    [name, f"{call * 1e3:.0f}", f"{alone * 1e3:.1f}", f"{call / alone:.1f}"]
                )
        return rows

    return asyncio.run(measure())


async def _medians(*each: Callable[[], Awaitable[Any]]) -> list[float]:
    """The median seconds of each, taken in turns; the first turn is not counted."""
    took: list[list[float]] = [[] for _ in each]
    for _ in range(_TRIES + 1):
        for ask, times in zip(each, took, strict=True):
            began = time.perf_counter()
            await ask()
            times.append(time.perf_counter() - began)
    return [statistics.median(times[1:]) for times in took]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The sizes of the benchmark."""
    parser.add_argument("--times", type=int, default=20, help="calls of each length (20)")
    parser.add_argument("--flight", type=int, default=1_000, help="calls at once (1,000)")
    parser.add_argument("--workers", type=int, default=20, help="for the calls at once (20)")
    parser.add_argument("--no-official", action="store_true", help="leave out the official SDK")
    parser.add_argument(
        "--projects",
        type=int,
        nargs="*",
        metavar="MODULES",
        help=f"measure projects of many modules instead ({', '.join(map(str, SIZES))})",
    )


def run(options: argparse.Namespace) -> str:
    """Everything, as Markdown."""
    if options.projects is not None:
        return f"{projects_table(options.projects or SIZES)}\n\n{machine()}"
    with stand() as place, bare_uvicorn() as bare:
        mine = ours(place, options.times)
        theirs = None if options.no_official else official(place, options.times)
        sizes = payloads(place, bare)
        flight = in_flight(place, options.flight, options.workers)
    return "\n\n".join(
        [
            f"{options.times} calls of each length, {machine()}.",
            overhead_table(mine, theirs),
            table(
                ["argument and result", "call ms", "the bytes alone ms", "ratio"],
                sizes,
            ),
            flight_table(flight, options.workers),
        ]
    )


def overhead_table(mine: list[Overheads], theirs: list[Overheads] | None) -> str:
    """Overheads by length, and the ratio where there are both."""
    header = ["job", "overhead ms, median", "highest", "CPU ms a call"]
    if theirs is not None:
        header += ["runpod-flash 1.1.1 ms, median", "highest", "CPU ms a call", "ratio"]
    rows = []
    for index, length in enumerate(_LENGTHS):
        row: list[object] = [f"{length:g} s", *_cells(mine[index])]
        if theirs is not None:
            ratio = theirs[index].median / mine[index].median
            row += [*_cells(theirs[index]), f"{ratio:.0f}"]
        rows.append(row)
    return table(header, rows)


def _cells(each: Overheads) -> list[str]:
    numbers = (each.median, max(each.overheads), each.cpu)
    return [f"{number * 1e3:.1f}" for number in numbers]


def flight_table(flight: Flight, workers: int) -> str:
    """The calls at once."""
    return table(
        ["calls at once", "workers", "seconds", "calls/s", "p50 ms", "p99 ms", "CPU ms a call"],
        [
            [
                f"{flight.calls:,}",
                workers,
                f"{flight.seconds:.2f}",
                f"{flight.calls / flight.seconds:,.0f}",
                f"{quantile(flight.took, 0.5) * 1e3:.0f}",
                f"{quantile(flight.took, 0.99) * 1e3:.0f}",
                f"{flight.cpu / flight.calls * 1e3:.2f}",
            ]
        ],
    )
