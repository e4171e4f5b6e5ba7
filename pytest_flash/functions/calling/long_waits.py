"""What a call waits for that takes long to begin: said once, where the run's other events go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from ...clock import monotonic
from ...errors import RunpodError
from ...events import EventSink, Waiting
from ...runpod import Endpoint
from ..declaration.specs import FunctionSpec
from .transport import JobQueue

PATIENCE = 5.0
"""Seconds that a call may wait without a word."""
# What many calls of one endpoint wait for is not said again for so long.
_AGAIN = 60.0


class LongWaits:
    """Looks at calls that have waited for ``patience`` seconds, and reports what for."""

    def __init__(self, queue: JobQueue, on_event: EventSink, patience: float) -> None:
        self._queue = queue
        self._on_event = on_event
        self._patience = patience
        self._said: dict[str, float] = {}
        self._installed: set[tuple[str, tuple[str, ...]]] = set()
        self._looking: set[asyncio.Task[None]] = set()

    def begin(self, spec: FunctionSpec, endpoint: Endpoint) -> Callable[[], None]:
        """A call of ``spec`` is being sent, from a task of asyncio; to be called at its end."""

        def look() -> None:
            task = asyncio.ensure_future(self._look(spec, endpoint))
            self._looking.add(task)
            task.add_done_callback(self._looking.discard)

        timer = asyncio.get_running_loop().call_later(self._patience, look)

        def end() -> None:
            self._installed.add((endpoint.id, spec.dependencies))
            timer.cancel()

        return end

    async def _look(self, spec: FunctionSpec, endpoint: Endpoint) -> None:
        if monotonic() - self._said.get(endpoint.id, -_AGAIN) < _AGAIN:
            return
        if spec.resource.routing == "LOAD_BALANCER":
            what = self._unanswered(spec, endpoint)
        else:
            try:
                health = await self._queue.health(endpoint.id)
            except RunpodError:
                return  # The call itself meets whatever is wrong, and says so.
            what = self._what(spec, endpoint, health)
        if what is not None:
            self._said[endpoint.id] = monotonic()
            self._on_event(Waiting(f"{spec.name} ({spec.location}) {what}"))

    def _unanswered(self, spec: FunctionSpec, endpoint: Endpoint) -> str | None:
        """Load balancers tell nothing of their workers. One that has answered such a call may well
        take long over the next."""
        if (endpoint.id, spec.dependencies) in self._installed:
            return None
        if spec.resource.workersMax == 0:
            why = "its workersMax is 0, so there will be none"
        elif spec.dependencies:
            why = f"one may be starting, or installing {', '.join(spec.dependencies)}"
        else:
            why = "one may be starting"
        return f"has waited {self._patience:g} s for a worker of {endpoint.name}: {why}"

    def _what(
        self, spec: FunctionSpec, endpoint: Endpoint, health: Mapping[str, Any]
    ) -> str | None:
        jobs, workers = _counts(health, "jobs"), _counts(health, "workers")
        if jobs.get("inQueue", 0):
            why = _why(spec, jobs, workers)
            return f"has waited {self._patience:g} s for a worker of {endpoint.name}: {why}"
        if spec.dependencies and (endpoint.id, spec.dependencies) not in self._installed:
            packages = ", ".join(spec.dependencies)
            return (
                f"has been with a worker of {endpoint.name} for {self._patience:g} s, which may be "
                f"installing {packages}"
            )
        return None


def _counts(health: Mapping[str, Any], group: str) -> dict[str, int]:
    counts = health.get(group)
    found = counts if isinstance(counts, Mapping) else {}
    return {name: count for name, count in found.items() if isinstance(count, int)}


def _why(spec: FunctionSpec, jobs: Mapping[str, int], workers: Mapping[str, int]) -> str:
    if spec.resource.workersMax == 0:
        return "its workersMax is 0, so there will be none"
    if workers.get("initializing"):
        return f"{workers['initializing']} of them {_is(workers['initializing'])} starting"
    if workers.get("throttled"):
        return f"Runpod has no capacity for {workers['throttled']} of them now"
    if workers.get("unhealthy"):
        return f"{workers['unhealthy']} of them {_is(workers['unhealthy'])} unhealthy"
    if workers.get("running"):
        return f"{workers['running']} {_is(workers['running'])} busy, {jobs['inQueue']} jobs wait"
    return "there is none yet; its hardware may be scarce"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
