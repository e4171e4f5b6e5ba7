"""A handle on a running emulator: faults for tests, and what its endpoints are doing."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal
from urllib.parse import quote

from ...errors import EmulatorError
from ...http.blocking import Client
from ...http.errors import TransportError
from ...http.messages import Request, Timeouts
from ...http.response_content import UnreadableContentError, json_object, refusal
from ...scope import RequestScope
from ..faults.fault_types import (
    ColdStart,
    DropResult,
    DuplicateResult,
    Effect,
    FailedStart,
    KillWorker,
    Moment,
    NoCapacity,
    PlaneName,
    RefusedRequest,
    SlowRequest,
)

_TIMEOUTS = Timeouts(connect=10.0, read=10.0, whole=60.0)


@dataclass(frozen=True)
class JobReport:
    """A job that has not ended.

    ``age`` is seconds since its submission, ``running`` since a worker took it (None before).
    """

    id: str
    state: str
    age: float
    running: float | None
    worker: str | None
    scope: str | None


@dataclass(frozen=True)
class WorkerReport:
    """A worker: ``status`` as REST v2 has it, the jobs it runs, the last lines it printed.

    ``pid`` is None before its process has been started; ``problem`` says why it is UNHEALTHY.
    """

    id: str
    status: str
    pid: int | None
    problem: str | None
    jobs: tuple[str, ...]
    log: tuple[str, ...]


@dataclass(frozen=True)
class EndpointReport:
    """An endpoint with its workers and its unfinished jobs."""

    id: str
    name: str
    workers: tuple[WorkerReport, ...]
    jobs: tuple[JobReport, ...]


class EmulatorControl:
    """Faults of a running emulator, and what it is doing. Safe to share by threads.

    Every method that sets a fault returns its id, for ``remove``. ``endpoint`` (an id or a name)
    limits a fault to one endpoint, ``count`` to so many occurrences; None is all, forever. With
    a ``scope`` the faults touch requests and jobs of that scope only. Raises EmulatorError when
    the emulator refuses or is not there.
    """

    def __init__(self, management_url: str, api_key: str, *, scope: str | None = None) -> None:
        self.scope = scope
        self._address = management_url, api_key
        self._base = management_url.removesuffix("/api") + "/control"
        self._headers = (
            (b"Authorization", f"Bearer {api_key}".encode()),
            (b"Content-Type", b"application/json"),
        )
        self._client = Client()

    def __enter__(self) -> EmulatorControl:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. Faults stay in force."""
        self._client.close()

    @contextmanager
    def scoped(self, requests: RequestScope) -> Iterator[EmulatorControl]:
        """A handle whose faults touch only what is sent in ``requests`` while the context lasts.

        They are gone at its end.
        """
        scope, before = f"scope-{uuid.uuid4().hex}", requests.name
        with EmulatorControl(*self._address, scope=scope) as control:
            requests.name = scope
            try:
                yield control
            finally:
                requests.name = before
                control.clear()

    # Workers that start

    def cold_start(
        self, seconds: float, *, endpoint: str | None = None, count: int | None = None
    ) -> str:
        """Let starts of workers take ``seconds`` longer."""
        return self._add(ColdStart(seconds), endpoint, count)

    def no_capacity(self, *, endpoint: str | None = None, count: int | None = None) -> str:
        """Let workers be THROTTLED instead of started, until the fault is removed."""
        return self._add(NoCapacity(), endpoint, count)

    def fail_starts(
        self,
        reason: str = "a fault was set",
        *,
        endpoint: str | None = None,
        count: int | None = None,
    ) -> str:
        """Let starts of workers fail; after three in a row queued jobs FAIL with ``reason``."""
        return self._add(FailedStart(reason), endpoint, count)

    # Workers and results of jobs

    def kill_worker(
        self,
        moment: Moment = "during",
        *,
        seconds: float = 0.0,
        endpoint: str | None = None,
        count: int | None = 1,
    ) -> str:
        """Kill a worker ``"before"`` it is given a job (another one takes it), ``"during"`` a
        job (which FAILS), ``seconds`` after it was taken, or ``"after"`` a job's result."""
        return self._add(KillWorker(moment, seconds), endpoint, count)

    def drop_result(self, *, endpoint: str | None = None, count: int | None = 1) -> str:
        """Lose results: their jobs stay IN_PROGRESS until their time limit."""
        return self._add(DropResult(), endpoint, count)

    def duplicate_result(self, *, endpoint: str | None = None, count: int | None = 1) -> str:
        """Deliver results twice."""
        return self._add(DuplicateResult(), endpoint, count)

    # Requests

    def refuse_requests(
        self,
        plane: PlaneName,
        status: int,
        *,
        retry_after: int | None = None,
        method: str | None = None,
        operation: str | None = None,
        moment: Literal["before", "after"] = "before",
        endpoint: str | None = None,
        count: int | None = 1,
    ) -> str:
        """Answer requests with ``status``, ``"before"`` they have any effect, or ``"after"`` it.

        ``retry_after``: seconds, sent as ``Retry-After``. ``method`` (``"POST"``) and, on the
        queue plane, ``operation`` (``"runsync"``, ``"status"``, …) choose among them.
        """
        effect = RefusedRequest(plane, status, retry_after, method, operation, moment)
        return self._add(effect, endpoint, count)

    def slow_requests(
        self,
        plane: PlaneName,
        seconds: float,
        *,
        method: str | None = None,
        operation: str | None = None,
        endpoint: str | None = None,
        count: int | None = None,
    ) -> str:
        """Serve requests ``seconds`` late; ``method`` and ``operation`` as in
        ``refuse_requests``."""
        return self._add(SlowRequest(plane, seconds, method, operation), endpoint, count)

    def remove(self, fault: str) -> None:
        """End a fault: workers that it holds back start."""
        self._send("DELETE", f"/faults/{_part(fault)}")

    def clear(self) -> None:
        """End every fault of this handle's scope; without a scope, those without one."""
        if self.scope is not None:
            self._send("DELETE", f"/scopes/{_part(self.scope)}")
            return
        for fault in self._send("GET", "/faults")["faults"]:
            if fault["scope"] is None:
                self.remove(fault["id"])

    # Time

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` (up to 30 days) pass at once for the jobs of this handle's scope.

        Jobs time out, results are forgotten, failed starts are tried again, and workers that served
        these jobs last idle out, as if so much time had passed since. What a worker computes takes
        its real time, and so do limits of requests. Raises EmulatorError without a scope: time is
        moved for one test, never for all.
        """
        if self.scope is None:
            raise EmulatorError(
                "time can be moved for the jobs of one test only: use the fixture flash_emulator, "
                "or give EmulatorControl a scope"
            )
        self._send("POST", f"/scopes/{_part(self.scope)}/advance", {"seconds": seconds})

    # Diagnosis

    def endpoints(self) -> list[EndpointReport]:
        """What every endpoint is doing."""
        answer = self._send("GET", "/endpoints")
        return [_endpoint_report(each) for each in answer["endpoints"]]

    def stack(self, worker: str) -> str:
        """Where the Python threads of a worker are, as text, the most recent call first.

        Raises EmulatorError, saying why, for a worker that has ended or cannot tell, such as one
        that runs a program other than our runtime.
        """
        answer = self._send("GET", f"/workers/{_part(worker)}/stack")
        if answer["stack"] is None:
            raise EmulatorError(f"worker {worker} has no Python stack to show: {answer['reason']}")
        return str(answer["stack"])

    def _add(self, effect: Effect, endpoint: str | None, count: int | None) -> str:
        values = {name: value for name, value in vars(effect).items() if value is not None}
        body = {"effect": values, "scope": self.scope, "endpoint": endpoint, "count": count}
        return str(self._send("POST", "/faults", body)["id"])

    def _send(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        content = b"" if body is None else json.dumps(body).encode()
        request = Request.to(method, self._base + path, self._headers, content)
        try:
            response = self._client.send(request, _TIMEOUTS)
        except TransportError as error:
            raise EmulatorError(f"the emulator cannot be reached: {error}") from error
        if (refused := refusal(response)) is not None and refused.is_json:
            raise EmulatorError(f"the emulator refuses this: {refused.detail}")
        try:
            return json_object(response) if refused or response.body else {}
        except UnreadableContentError as error:
            raise EmulatorError(
                f"what answers at {request.url.shown} is not an emulator of this version: {error}"
            ) from None


def _part(name: str) -> str:
    """A name as part of a path. Raises EmulatorError for one that would make it another path."""
    if name in ("", ".", ".."):
        raise EmulatorError(f"{name!r} names nothing here")
    return quote(name, safe="")


def _endpoint_report(document: dict[str, Any]) -> EndpointReport:
    workers = (
        WorkerReport(**{**each, "jobs": tuple(each["jobs"]), "log": tuple(each["log"])})
        for each in document["workers"]
    )
    jobs = (JobReport(**each) for each in document["jobs"])
    return EndpointReport(document["id"], document["name"], tuple(workers), tuple(jobs))
