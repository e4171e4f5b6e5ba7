"""Faults for tests: what an emulator does wrong on purpose, to whom, and how often.

Data and bookkeeping only. ``request_faults`` applies those of requests, ``scheduler.worker_faults``
those of workers and jobs, ``planes.control_routes`` takes them in.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, TypeVar

PlaneName = Literal["management", "queue", "load_balancer"]
Moment = Literal["before", "during", "after"]

OPERATIONS = frozenset(
    {
        *("run", "runsync", "status", "stream", "cancel", "retry", "purge-queue"),
        *("health", "requests", "metrics"),
    }
)
"""What the queue plane serves."""

_LONGEST = 86_400


class _Effect:
    # For pydantic, which reads effects from JSON.
    __pydantic_config__: ClassVar[dict[str, Any]] = {
        "extra": "forbid",
        "strict": True,
        "allow_inf_nan": False,
    }


@dataclass(frozen=True)
class ColdStart(_Effect):
    """A worker's start takes ``seconds`` longer; it is INITIALIZING meanwhile."""

    seconds: float
    kind: Literal["cold_start"] = "cold_start"

    def __post_init__(self) -> None:
        _check_seconds(self.seconds)


@dataclass(frozen=True)
class NoCapacity(_Effect):
    """A worker is THROTTLED instead of started, until the fault is removed."""

    kind: Literal["no_capacity"] = "no_capacity"


@dataclass(frozen=True)
class FailedStart(_Effect):
    """A worker's start fails; ``reason`` is what its endpoint's jobs hear of it."""

    reason: str
    kind: Literal["failed_start"] = "failed_start"


@dataclass(frozen=True)
class KillWorker(_Effect):
    """A worker is killed: before it is given a job, ``seconds`` into a job, or after its result."""

    moment: Moment
    seconds: float = 0.0
    kind: Literal["kill_worker"] = "kill_worker"

    def __post_init__(self) -> None:
        _check_seconds(self.seconds)


@dataclass(frozen=True)
class DropResult(_Effect):
    """A worker's result is taken and lost."""

    kind: Literal["drop_result"] = "drop_result"


@dataclass(frozen=True)
class DuplicateResult(_Effect):
    """A worker's result is taken twice."""

    kind: Literal["duplicate_result"] = "duplicate_result"


@dataclass(frozen=True)
class RefusedRequest(_Effect):
    """A request is answered with ``status``: before it has any effect, or after that.

    ``retry_after``: seconds, sent as ``Retry-After``. ``method`` and, on the queue plane,
    ``operation`` (``runsync``, ``status``, …) say which requests; None is any.
    """

    plane: PlaneName
    status: int
    retry_after: int | None = None
    method: str | None = None
    operation: str | None = None
    moment: Literal["before", "after"] = "before"
    kind: Literal["refused_request"] = "refused_request"

    def __post_init__(self) -> None:
        if not 400 <= self.status <= 599:
            raise ValueError(f"status {self.status} refuses nothing; use one from 400 to 599")
        if self.retry_after is not None and not 0 <= self.retry_after <= _LONGEST:
            raise ValueError(f"retry_after must be 0 to {_LONGEST} s, not {self.retry_after}")
        _check_requests(self.plane, self.method, self.operation)


@dataclass(frozen=True)
class SlowRequest(_Effect):
    """A request is served ``seconds`` late. ``method`` and ``operation`` as of RefusedRequest."""

    plane: PlaneName
    seconds: float
    method: str | None = None
    operation: str | None = None
    kind: Literal["slow_request"] = "slow_request"

    def __post_init__(self) -> None:
        _check_seconds(self.seconds)
        _check_requests(self.plane, self.method, self.operation)


RequestEffect = RefusedRequest | SlowRequest
WorkerEffect = ColdStart | NoCapacity | FailedStart | KillWorker
ResultEffect = DropResult | DuplicateResult
Effect = RequestEffect | WorkerEffect | ResultEffect

_START_EFFECTS = (ColdStart, NoCapacity, FailedStart)
_WORKER_EFFECTS = (*_START_EFFECTS, KillWorker)

E = TypeVar("E", bound=Effect)


@dataclass(eq=False)
class Fault(Generic[E]):
    """An effect that is in force.

    ``scope`` and ``endpoint`` (an id) limit whom it touches, None being everyone; ``left`` is how
    often it still occurs, None being always. ``removed`` is set at its end.
    """

    id: str
    effect: E
    scope: str | None
    endpoint: str | None
    left: int | None
    removed: asyncio.Event = field(default_factory=asyncio.Event)

    def touches(self, scope: str | None, endpoint: str | None) -> bool:
        """Whether it would occur to something of this scope and endpoint."""
        return self.left != 0 and self.scope in (None, scope) and self.endpoint in (None, endpoint)


@dataclass(frozen=True)
class ScopeLane:
    """Jobs and workers that a scope has for itself.

    Each fault of starts begins another one: no worker that is warm may serve the jobs that are to
    meet it.
    """

    scope: str
    start_fault: str | None


class Faults:
    """The faults of one emulator, the oldest first. Lives on one event loop."""

    def __init__(self) -> None:
        self._faults: dict[str, Fault[Effect]] = {}
        self._numbers = itertools.count(1)
        self.any = False
        """False as long as there is none: the busy paths ask nothing else."""

    def all(self) -> list[Fault[Effect]]:
        """Every fault that has not been removed, also those that no longer occur."""
        return list(self._faults.values())

    def add(
        self, effect: Effect, *, scope: str | None, endpoint: str | None, count: int | None
    ) -> Fault[Effect]:
        """Put a fault in force."""
        fault = Fault(f"fault-{next(self._numbers)}", effect, scope, endpoint, count)
        self._faults[fault.id] = fault
        self.any = True
        return fault

    def remove(self, which: Callable[[Fault[Effect]], bool]) -> int:
        """End the faults for which ``which`` is true; returns how many."""
        ended = [fault for fault in self._faults.values() if which(fault)]
        for fault in ended:
            del self._faults[fault.id]
            fault.removed.set()
        self.any = bool(self._faults)
        return len(ended)

    def take(
        self,
        kind: type[E],
        scope: str | None,
        endpoint: str | None,
        accept: Callable[[E], bool] = lambda _: True,
    ) -> Fault[E] | None:
        """The oldest fault of this kind that occurs now, counted; None when none does."""
        for fault in self._faults.values():
            effect = fault.effect
            if isinstance(effect, kind) and fault.touches(scope, endpoint) and accept(effect):
                if fault.left is not None:
                    fault.left -= 1
                return fault  # type: ignore[return-value] # its effect is of this kind
        return None

    def lane(self, scope: str, endpoint: str) -> ScopeLane | None:
        """The lane for jobs that are submitted now: None while ``scope`` itself has no faults of
        workers in force on ``endpoint``."""
        own = [
            fault
            for fault in self._faults.values()
            if fault.scope == scope and fault.endpoint in (None, endpoint)
        ]
        if not any(isinstance(each.effect, _WORKER_EFFECTS) and each.left != 0 for each in own):
            return None
        starts = [each.id for each in own if isinstance(each.effect, _START_EFFECTS)]
        return ScopeLane(scope, starts[-1] if starts else None)


def _check_seconds(seconds: float) -> None:
    if not 0 <= seconds <= _LONGEST:
        raise ValueError(f"seconds must be 0 to {_LONGEST}, not {seconds:g}")


def _check_requests(plane: PlaneName, method: str | None, operation: str | None) -> None:
    # A fault of requests that nobody sends never occurs, and its test shows nothing.
    if method is not None and method != method.upper():
        raise ValueError(f"no request has the method {method!r}; use {method.upper()!r}")
    if operation is None:
        return
    if plane != "queue":
        raise ValueError(f"the {plane} plane has no operations; only the queue plane has")
    if operation not in OPERATIONS:
        served = ", ".join(sorted(OPERATIONS))
        raise ValueError(f"the queue plane has no operation {operation!r}; it has {served}")


async def wait_for_any(*events: asyncio.Event, seconds: float | None = None) -> None:
    """Wait until one of ``events`` is set, but no longer than ``seconds``."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
