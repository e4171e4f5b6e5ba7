"""The embedded Runpod under load: throughput, latency, lost and repeated jobs, memory, idle CPU."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvloop

from pytest_flash import CpuLiveServerless
from pytest_flash.errors import FlashError, RunpodConnectionError
from pytest_flash.functions.calling.calls import RemoteCalls
from pytest_flash.functions.declaration.specs import FunctionSpec
from pytest_flash.runpod import Endpoint, JobStatus, QueueClient
from pytest_flash.target import Target
from tests.benchmarks.bare import bare_uvicorn
from tests.benchmarks.measure import cpu_seconds, machine, quantile, resident_mb, table
from tests.benchmarks.rawload import Address, connected, load
from tests.benchmarks.stand import Stand, stand

_AT_ONCE = 50
_PARTS = 4
Submit = Callable[[], list[float]]
_WHO = ("emulator", "workers", "client")


@functools.cache
def _log() -> int:
    """A file of this worker's own in the folder that the endpoint's environment names."""
    path = f"{os.environ['COUNTED_IN']}/{os.getpid()}"
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def count(number: int) -> int:
    """What every job runs: it notes its number, so that lost and repeated ones are found."""
    os.write(_log(), f"{number}\n".encode())
    return number


@dataclass(frozen=True)
class Load:
    """One run of many jobs. ``cpu`` is microseconds for each job, by process."""

    name: str
    took: list[float]
    seconds: float
    cpu: dict[str, float]
    memory: list[float]


class Recorder(QueueClient):
    """Keeps the bodies of requests instead of sending them."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.bodies: list[bytes] = []

    async def runsync(self, endpoint_id: str, payload: bytes, *, wait: float) -> JobStatus:
        """Sends nothing."""
        del endpoint_id, wait
        self.bodies.append(payload)
        raise RunpodConnectionError("recorded")


class EmulatorBenchmark:
    """One emulator, one endpoint with its workers ready."""

    def __init__(self, place: Stand, options: argparse.Namespace) -> None:
        self.place = place
        self.jobs: int = options.jobs
        self.calls: int = options.calls
        self.idle: float = options.idle
        self.rest: float = options.rest
        self.counted = place.folder / "counted"
        self.counted.mkdir()
        self.resource = CpuLiveServerless(
            name="load",
            workersMin=options.workers,
            workersMax=options.workers,
            env={"COUNTED_IN": str(self.counted)},
        )
        self.spec: FunctionSpec = place.spec(count, self.resource)
        self.endpoint: Endpoint = place.provision(self.resource)
        self.submitted = 0

    def numbers(self, many: int) -> Iterator[int]:
        """The numbers of the next ``many`` jobs."""
        first, self.submitted = self.submitted, self.submitted + many
        return iter(range(first, first + many))

    def bodies(self, many: int) -> list[bytes]:
        """Request bodies of the next ``many`` jobs, as our client sends them."""

        async def endpoint_for(*_: object) -> Endpoint:
            return self.endpoint

        async def record() -> list[bytes]:
            recorder = Recorder(self.place.session.target)
            calls = RemoteCalls(recorder, endpoint_for)
            for number in self.numbers(many):
                with contextlib.suppress(FlashError):
                    await calls.call(self.spec, (number,), {})
            return recorder.bodies

        return asyncio.run(record())

    def address(self) -> Address:
        """Where the raw load goes."""
        target = self.place.session.target
        url = f"{target.queue_url}/{self.endpoint.id}/runsync?wait=60000"
        return Address.of(url, f"Bearer {target.api_key}")

    def all_counted(self) -> tuple[int, int]:
        """How many jobs were lost, and how many ran more than once."""
        runs = Counter(
            int(line) for file in Path(self.counted).iterdir() for line in file.read_text().split()
        )
        repeated = sum(times > 1 for times in runs.values())
        return self.submitted - len(runs), repeated

    def measured(self, name: str, prepare: Callable[[int], Submit]) -> Load:
        """Run the jobs in a few parts, reading the emulator's memory after each.

        ``prepare`` makes ready what submits so many jobs, outside of the time that is measured.
        Before all, the results of earlier jobs are given the time to be forgotten.
        """
        time.sleep(self.rest)
        emulator, workers = self.place.emulator.pid, self.place.worker_pids()
        memory, took = [resident_mb(emulator)], list[float]()
        used, seconds = [0.0, 0.0, 0.0], 0.0
        for _ in range(_PARTS):
            submit = prepare(self.jobs // _PARTS)
            before = cpu_seconds([emulator]), cpu_seconds(workers), time.process_time()
            began = time.perf_counter()
            took += submit()
            seconds += time.perf_counter() - began
            after = cpu_seconds([emulator]), cpu_seconds(workers), time.process_time()
            used = [sum(each) - start for *each, start in zip(used, after, before, strict=True)]
            memory.append(resident_mb(emulator))
        cpu = {who: each / len(took) * 1e6 for who, each in zip(_WHO, used, strict=True)}
        return Load(name, took, seconds, cpu, memory)


def through_client(benchmark: EmulatorBenchmark, many: int) -> Submit:
    """Calls of the function through this package's client, many at once."""
    took: list[float] = []
    calls = benchmark.place.session.calls

    async def one(numbers: Iterator[int]) -> None:
        for number in numbers:
            began = time.perf_counter()
            if await calls.call(benchmark.spec, (number,), {}) != number:
                raise ValueError(f"job {number} gave another result")
            took.append(time.perf_counter() - began)

    async def every() -> None:
        numbers = benchmark.numbers(many)
        await asyncio.gather(*(one(numbers) for _ in range(_AT_ONCE)))

    def submit() -> list[float]:
        asyncio.run(every())
        return took

    return submit


def raw(benchmark: EmulatorBenchmark, many: int) -> Submit:
    """The same requests from the raw load generator."""

    def completed(body: bytes) -> None:
        if b'"status":"COMPLETED"' not in body:
            raise ValueError(f"a job did not complete: {body!r}")

    bodies = benchmark.bodies(many)
    address = benchmark.address()
    return lambda: uvloop.run(load(address, iter(bodies), _AT_ONCE, completed))


async def sequential(
    benchmark: EmulatorBenchmark, bare: str, bodies: Iterator[bytes]
) -> dict[str, list[float]]:
    """Warm calls one after another, and bare round trips in between: seconds of each."""
    took: dict[str, list[float]] = {name: [] for name in ("call", "raw call", "httpx", "raw")}
    calls, address = benchmark.place.session.calls, Address.of(f"{bare}/", "")
    async with (
        httpx.AsyncClient(trust_env=False) as client,
        connected(address) as socket,
        connected(benchmark.address()) as submitting,
    ):
        for number in benchmark.numbers(benchmark.calls):
            async with _timed(took["httpx"]):
                (await client.post(f"{bare}/", content=b"{}")).json()
            async with _timed(took["call"]):
                await calls.call(benchmark.spec, (number,), {})
            async with _timed(took["raw"]):
                await socket.ask(address.post(b"{}"))
            async with _timed(took["raw call"]):
                await submitting.ask(benchmark.address().post(next(bodies)))
    return took


@asynccontextmanager
async def _timed(took: list[float]) -> AsyncIterator[None]:
    began = time.perf_counter()
    yield
    took.append(time.perf_counter() - began)


def idle_cpu(benchmark: EmulatorBenchmark) -> dict[str, float]:
    """Percent of one core that the emulator and all its workers use while nothing happens."""
    who = {"emulator": [benchmark.place.emulator.pid], "workers": benchmark.place.worker_pids()}
    before = {name: cpu_seconds(pids) for name, pids in who.items()}
    time.sleep(benchmark.idle)
    return {
        name: (cpu_seconds(pids) - before[name]) / benchmark.idle * 100
        for name, pids in who.items()
    }


def add_options(parser: argparse.ArgumentParser) -> None:
    """The sizes of the benchmark."""
    parser.add_argument("--jobs", type=int, default=20_000, help="in each load (20,000)")
    parser.add_argument("--workers", type=int, default=20)
    parser.add_argument("--calls", type=int, default=1_000, help="one after another (1,000)")
    parser.add_argument(
        "--rest", type=float, default=70.0, help="seconds before each load: results are kept for 60"
    )
    parser.add_argument("--idle", type=float, default=30.0, help="seconds of idling (30)")


def run(options: argparse.Namespace) -> str:
    """Everything, as Markdown."""
    with stand() as place, bare_uvicorn() as bare:
        benchmark = EmulatorBenchmark(place, options)
        idle = idle_cpu(benchmark)
        bodies = iter(benchmark.bodies(options.calls))
        took = asyncio.run(sequential(benchmark, bare, bodies))
        loads = [
            benchmark.measured(
                "this package's client", functools.partial(through_client, benchmark)
            ),
            benchmark.measured("raw load generator", functools.partial(raw, benchmark)),
        ]
        lost, repeated = benchmark.all_counted()
    return "\n\n".join(
        [
            f"{options.workers} workers on one endpoint, {_AT_ONCE} jobs in flight, {machine()}.",
            load_table(loads),
            f"Of {benchmark.submitted:,} jobs in all {lost} were lost and {repeated} ran twice.",
            warm_table(took),
            table(
                ["idle", "% of one core"],
                [[name, f"{percent:.2f}"] for name, percent in idle.items()],
            ),
        ]
    )


def load_table(loads: list[Load]) -> str:
    """Throughput, latency, cost and memory."""
    return table(
        [
            "submitted by",
            "jobs",
            "jobs/s",
            "p50 ms",
            "p99 ms",
            "CPU µs a job: emulator",
            "workers",
            "client",
            "emulator MB, at first and after each quarter",
        ],
        (
            [
                each.name,
                f"{len(each.took):,}",
                f"{len(each.took) / each.seconds:,.0f}",
                f"{quantile(each.took, 0.5) * 1e3:.1f}",
                f"{quantile(each.took, 0.99) * 1e3:.1f}",
                *(f"{each.cpu[who]:.0f}" for who in _WHO),
                ", ".join(f"{value:.0f}" for value in each.memory),
            ]
            for each in loads
        ),
    )


def warm_table(took: dict[str, list[float]]) -> str:
    """Sequential calls in units of a bare round trip."""
    base = {name: quantile(took[name], 0.5) for name in ("httpx", "raw")}
    names = {
        "httpx": "bare uvicorn, httpx",
        "raw": "bare uvicorn, raw socket",
        "call": "a warm call",
        "raw call": "a warm call, raw socket",
    }
    return table(
        ["one after another", "p50 ms", "p99 ms", "in httpx round trips", "in raw round trips"],
        (
            [
                title,
                f"{quantile(took[name], 0.5) * 1e3:.2f}",
                f"{quantile(took[name], 0.99) * 1e3:.2f}",
                f"{quantile(took[name], 0.5) / base['httpx']:.1f}",
                f"{quantile(took[name], 0.5) / base['raw']:.1f}",
            ]
            for name, title in names.items()
        ),
    )
