"""Whatever goes wrong, every job ends once, and its caller sees how."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from pytest_flash.emulator.client.control import EmulatorControl
from pytest_flash.scope import SCOPE_HEADER
from tests.emulator.harness import KEY, Emulator

JOBS_A_ROUND = 40
ROUNDS, ROUNDS_IN_SOAK = 6, 130
ROUNDS_AT_ONCE = 4
DEADLINE = 60.0
TERMINAL = {"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"}

# What a job does, and what it gives if nothing goes wrong (None: it fails by itself).
WORK: list[tuple[dict[str, Any], Any]] = [
    ({"do": "echo", "value": 7}, 7),
    ({"do": "echo", "value": {"a": [None]}}, {"a": [None]}),
    ({"do": "sleep", "seconds": 0.05}, "slept"),
    ({"do": "late", "seconds": 0.02}, "late"),
    ({"do": "body", "body": {"error": "no"}}, None),
    ({"do": "nothing"}, None),
    ({"do": "print and exit", "text": "bye", "code": 1}, None),
    ({"do": "signal", "number": 9}, None),
]


@dataclass(frozen=True)
class Plan:
    """One job: what it does, how it is submitted, ``delay`` seconds after the others."""

    name: str
    work: dict[str, Any]
    expected: Any
    faulty: bool
    operation: str
    cancels: bool
    delay: float


@dataclass
class Round:
    """One endpoint, jobs in a scope with faults, and jobs in none."""

    seed: int
    emulator: Emulator
    client: httpx.AsyncClient
    endings: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.scope = f"round-{self.seed}"
        self.endpoint = self.emulator.create(
            name=self.scope, timeout=700, workers={"max": self.random.randint(1, 3)}
        )

    async def run(self) -> None:
        with EmulatorControl(f"{self.emulator.origin}/api", KEY, scope=self.scope) as control:
            # Five rounds see every kind of fault.
            for fault in self.faults(control)[2 * self.seed % 10 :][:2]:
                fault()
            for _ in range(self.random.randint(0, 2)):
                self.random.choice(self.faults(control))()
            # All that is random about the jobs is drawn before their order is chance.
            plans = [self.plan(number) for number in range(JOBS_A_ROUND)]
            await asyncio.gather(self.free(control), *map(self.job, plans))
            await self.check_the_books()
        self.emulator.management.delete(f"/v2/serverless/{self.endpoint}")

    def faults(self, control: EmulatorControl) -> list[Callable[[], str]]:
        """One fault of each kind, to be set."""
        here, few = self.endpoint, self.random.randint(1, 5)
        status = self.random.choice([429, 500, 502, 503])
        operation = self.random.choice(["run", "runsync", "status", "cancel"])
        return [
            lambda: control.cold_start(self.random.random() / 3, endpoint=here),
            lambda: control.no_capacity(endpoint=here, count=few),
            lambda: control.fail_starts(endpoint=here, count=few),
            lambda: control.kill_worker("before", endpoint=here, count=few),
            lambda: control.kill_worker(
                "during", seconds=self.random.random() / 20, endpoint=here, count=few
            ),
            lambda: control.kill_worker("after", endpoint=here, count=few),
            lambda: control.drop_result(endpoint=here, count=few),
            lambda: control.duplicate_result(endpoint=here, count=few),
            lambda: control.refuse_requests(
                "queue", status, operation=operation, endpoint=here, count=few
            ),
            lambda: control.slow_requests("queue", 0.2, endpoint=here, count=few),
        ]

    async def free(self, control: EmulatorControl) -> None:
        """More faults while jobs run; in the end they are gone, and there is capacity again."""
        for _ in range(self.random.randint(0, 3)):
            await asyncio.sleep(self.random.random() / 4)
            self.random.choice(self.faults(control))()
        await asyncio.sleep(self.random.random())
        control.clear()

    def plan(self, number: int) -> Plan:
        faulty = self.random.random() < 0.7
        work, expected = self.random.choice(WORK if faulty else WORK[:4])
        return Plan(
            name=f"{self.seed}.{number} {work}",
            work=work,
            expected=expected,
            faulty=faulty,
            operation=self.random.choice(["run", "runsync?wait=1000"]),
            cancels=faulty and self.random.random() < 0.15,
            delay=self.random.random() / 2,
        )

    async def job(self, plan: Plan) -> None:
        """Submit a job and follow it to its end, which must be the only one."""
        await asyncio.sleep(plan.delay)
        body: dict[str, Any] = {"input": plan.work}
        headers = {}
        if plan.faulty:
            headers[SCOPE_HEADER] = self.scope
        else:
            body["policy"] = {"executionTimeout": 60_000}
        document = await self.send("POST", f"/{plan.operation}", headers, body)
        job = document["id"]
        if plan.cancels:
            await self.send("POST", f"/cancel/{job}", headers)
        deadline = time.monotonic() + DEADLINE
        while document["status"] not in TERMINAL:
            assert time.monotonic() < deadline, f"{plan.name}: {document}"
            await asyncio.sleep(0.05)
            document = await self.send("GET", f"/status/{job}", headers)
        again = await self.send("GET", f"/status/{job}", headers)
        assert again == document, f"{plan.name}: it ended twice"
        if document["status"] == "COMPLETED":
            assert document["output"] == plan.expected, plan.name
        else:
            assert plan.faulty, f"{plan.name}: {document}"
        self.endings[document["status"]] += 1

    async def send(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Send a request until it is not refused; a job that was submitted is never unknown."""
        deadline = time.monotonic() + DEADLINE
        while True:
            url = f"/{self.endpoint}{path}"
            answer = await self.client.request(method, url, json=body, headers=headers)
            if answer.status_code == 200:
                document: dict[str, Any] = answer.json()
                return document
            assert headers, f"{self.seed}: nothing may refuse {path}: {answer.text}"
            assert answer.status_code in (429, 500, 502, 503), answer.text
            assert "for a test" in answer.text
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)

    async def check_the_books(self) -> None:
        """The endpoint has seen the same jobs and the same endings as their callers."""
        listed = await self.send("GET", "/requests", {})
        states = Counter(job["status"] for job in listed["requests"])
        assert states == self.endings, f"{self.seed}"
        health = await self.send("GET", "/health", {})
        assert health["jobs"]["completed"] == self.endings["COMPLETED"]
        assert health["jobs"]["failed"] == self.endings["FAILED"] + self.endings["TIMED_OUT"]
        assert health["jobs"]["inQueue"] == health["jobs"]["inProgress"] == 0


def test_every_job_ends_once_and_its_caller_sees_how(
    emulator: Emulator, pytestconfig: pytest.Config
) -> None:
    rounds = ROUNDS_IN_SOAK if pytestconfig.getoption("soak") else ROUNDS
    endings: Counter[str] = Counter()

    async def play() -> None:
        turns = asyncio.Semaphore(ROUNDS_AT_ONCE)
        headers = {"Authorization": f"Bearer {KEY}"}
        base, limits = str(emulator.queue.base_url), httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(
            base_url=base, headers=headers, timeout=30, limits=limits, trust_env=False
        ) as client:

            async def one(seed: int) -> None:
                async with turns:
                    played = Round(seed, emulator, client)
                    await played.run()
                    endings.update(played.endings)

            await asyncio.gather(*map(one, range(rounds)))

    asyncio.run(play())
    assert endings.total() == rounds * JOBS_A_ROUND
    assert 0 < endings["COMPLETED"] < endings.total(), "too little went wrong"
