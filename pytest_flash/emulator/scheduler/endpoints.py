"""Every endpoint of one emulator, and the parts that faults keep to themselves."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from dataclasses import astuple, replace
from typing import TYPE_CHECKING

from ..account.releases import Releases
from ..queue.jobs import JobCounts
from ..server.http_errors import HttpError
from .context import SchedulerContext
from .endpoint import EmulatedEndpoint
from .load_balanced_endpoint import BalancedEndpoint
from .queue_endpoint import QueueEndpoint

if TYPE_CHECKING:
    from ..account.endpoint_records import EndpointRecord
    from ..account.endpoint_views import WorkerView
    from ..faults.fault_types import ScopeLane
    from ..processes.worker_logs import WorkerLog

_log = logging.getLogger(__name__)


class EmulatedEndpoints:
    """The endpoints by id. Lives on one event loop.

    Jobs of a scope that has faults of workers on an endpoint must not share workers with others:
    an endpoint has lanes, each with a queue and workers of its own, for such scopes. Where the
    documents speak of an endpoint's jobs and workers, those of all its lanes are meant.
    """

    def __init__(self, context: SchedulerContext) -> None:
        self._context = context
        self._endpoints: dict[str, EmulatedEndpoint] = {}
        self._releases: dict[str, Releases] = {}
        self._lanes: defaultdict[str, dict[ScopeLane, EmulatedEndpoint]] = defaultdict(dict)
        self._spent: defaultdict[str, JobCounts] = defaultdict(JobCounts)

    def all(self) -> list[EmulatedEndpoint]:
        """Every endpoint, in the order of their creation."""
        return list(self._endpoints.values())

    def get(self, endpoint_id: str) -> EmulatedEndpoint:
        """The endpoint of this id. Raises HttpError 404."""
        try:
            return self._endpoints[endpoint_id]
        except KeyError:
            raise HttpError(404, f"endpoint {endpoint_id!r} not found") from None

    def parts(self, endpoint_id: str) -> list[EmulatedEndpoint]:
        """An endpoint and its lanes. Raises HttpError 404."""
        return [self.get(endpoint_id), *self._lanes.get(endpoint_id, {}).values()]

    def submitting(self, endpoint_id: str, scope: str | None) -> EmulatedEndpoint:
        """Where a new job of this scope goes. Raises HttpError 404."""
        endpoint = self.get(endpoint_id)
        faults = self._context.faults
        if scope is None or not faults.any or (lane := faults.lane(scope, endpoint_id)) is None:
            return endpoint
        lanes = self._lanes[endpoint_id]
        if lane not in lanes:
            record = replace(endpoint.record, workers_min=0)
            lanes[lane] = self._at_work(record, scope)
        return lanes[lane]

    def queues(self, endpoint_id: str) -> list[QueueEndpoint]:
        """As ``parts``, of an endpoint with a queue. Raises HttpError 404, or 400."""
        return [with_queue(part) for part in self.parts(endpoint_id)]

    def holding(self, endpoint_id: str, job_id: str) -> QueueEndpoint:
        """Where a job is; the endpoint itself when it is nowhere. Raises HttpError 404, or 400."""
        endpoint, *lanes = self.queues(endpoint_id)
        if lanes and endpoint.job(job_id) is None:
            return next((lane for lane in lanes if lane.job(job_id)), endpoint)
        return endpoint

    def employing(self, endpoint_id: str, worker_id: str) -> EmulatedEndpoint:
        """Where a worker is; the endpoint itself when it is nowhere. Raises HttpError 404."""
        endpoint = self.get(endpoint_id)
        if endpoint_id in self._lanes and endpoint.worker(worker_id) is None:
            lanes = self._lanes[endpoint_id].values()
            return next((lane for lane in lanes if lane.worker(worker_id)), endpoint)
        return endpoint

    def workers(self, endpoint_id: str) -> list[WorkerView]:
        """The active workers of an endpoint. Raises HttpError 404."""
        return [view for part in self.parts(endpoint_id) for view in part.workers()]

    def log(self, endpoint_id: str, worker_id: str) -> WorkerLog:
        """The log of a worker that is, or was until lately. Raises HttpError 404."""
        for part in self.parts(endpoint_id):
            if log := part.log(worker_id):
                return log
        raise HttpError(404, f"worker {worker_id!r} not found: it never was, or ended long ago")

    def releases(self, endpoint_id: str) -> Releases:
        """The versions that an endpoint has had. Raises HttpError 404."""
        return self._releases[self.get(endpoint_id).record.id]

    def counts(self, endpoint_id: str) -> JobCounts:
        """The counters of an endpoint's jobs. Raises HttpError 404, or 400 without a queue."""
        counts = [part.counts() for part in self.queues(endpoint_id)]
        return _sum(self._spent[endpoint_id], *counts)

    def add(self, record: EndpointRecord) -> EmulatedEndpoint:
        """Put an endpoint to work."""
        endpoint = self._at_work(record)
        self._endpoints[record.id] = endpoint
        self._releases[record.id] = Releases(record)
        _log.info("endpoint %s (%s) created", record.name, record.id)
        return endpoint

    def update(self, record: EndpointRecord) -> None:
        """Follow the changed configuration of an endpoint. Raises HttpError 404."""
        endpoint, *lanes = self.parts(record.id)
        endpoint.update(record)
        self._releases[record.id].follow(record)
        for lane in lanes:
            lane.update(replace(record, workers_min=0, idle_timeout=lane.record.idle_timeout))

    def remove(self, endpoint_id: str) -> None:
        """End an endpoint with its jobs and workers. Raises HttpError 404."""
        for part in self.parts(endpoint_id):
            part.close()
        del self._endpoints[endpoint_id], self._releases[endpoint_id]
        self._lanes.pop(endpoint_id, None)
        self._spent.pop(endpoint_id, None)

    def advance(self, scope: str, seconds: float) -> None:
        """Let ``seconds`` pass at once for the jobs of a scope, wherever they are."""
        for endpoint_id in self._endpoints:
            for part in self.parts(endpoint_id):
                part.advance(scope, seconds)

    def end_scope(self, scope: str) -> None:
        """A scope's faults are gone: its lanes finish their jobs, and their workers go home."""
        for endpoint_id, lanes in self._lanes.items():
            for lane, part in list(lanes.items()):
                if lane.scope == scope:
                    part.update(replace(part.record, idle_timeout=0))
                if part.is_spent:
                    if isinstance(part, QueueEndpoint):
                        self._spent[endpoint_id] = _sum(self._spent[endpoint_id], part.counts())
                    del lanes[lane]

    def _at_work(self, record: EndpointRecord, scope: str | None = None) -> EmulatedEndpoint:
        kind = QueueEndpoint if record.type == "QUEUE" else BalancedEndpoint
        endpoint = kind(record, self._context, scope)
        endpoint.begin()
        return endpoint

    async def close(self) -> None:
        """End every endpoint and wait until no worker process is left."""
        parts = [part for endpoint_id in self._endpoints for part in self.parts(endpoint_id)]
        self._endpoints.clear()
        self._lanes.clear()
        for part in parts:
            part.close()
        await asyncio.gather(*(part.gone() for part in parts))


def with_queue(endpoint: EmulatedEndpoint) -> QueueEndpoint:
    """``endpoint``. Raises HttpError 400 for one that has no queue."""
    if not isinstance(endpoint, QueueEndpoint):
        raise HttpError(400, "a LOAD_BALANCER endpoint has no queue")
    return endpoint


def _sum(*counts: JobCounts) -> JobCounts:
    return JobCounts(*map(sum, zip(*map(astuple, counts), strict=True)))
