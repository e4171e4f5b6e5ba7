"""The job loop: take, run, report."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from .dependencies import Dependencies, DependencyError
from .heartbeat import Heartbeat
from .messages import FunctionRequest, FunctionResponse, RequestError
from .plane import Job, PlaneError, WorkerPlane

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0
# A long poll that ends sooner than this without a job is an answer to slow down for.
_SHORTEST_POLL = 0.5
# The official worker tries a result three times, after these pauses in seconds.
_DONE_PAUSES = (2.0, 3.0)


@dataclass(frozen=True)
class _Refusal:
    text: str
    passing: bool


class JobLoop:
    """Runs one job at a time until told to stop. ``call`` runs a function to its end."""

    def __init__(
        self,
        plane: WorkerPlane,
        dependencies: Dependencies,
        heartbeat: Heartbeat,
        call: Callable[[FunctionRequest, str], FunctionResponse],
    ) -> None:
        self._plane = plane
        self._dependencies = dependencies
        self._heartbeat = heartbeat
        self._call = call
        self._stopping = threading.Event()
        self._polling = False

    def run(self) -> None:
        """Take and run jobs; returns after ``stop``, when the job at hand is reported."""
        pause = _FIRST_PAUSE
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                job = self._take()
            except PlaneError as error:
                if not self._stopping.is_set():
                    _log(str(error))
                    self._stopping.wait(max(pause, error.pause))
                    pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            if job is not None:
                self._work_on(job)
                pause = _FIRST_PAUSE
            elif time.monotonic() - started < _SHORTEST_POLL:
                self._stopping.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    def stop(self) -> None:
        """Take no further job; the one at hand goes on. Callable from a signal handler."""
        self._stopping.set()

    def abandon_poll(self) -> None:
        """End a wait for a job, if that is what the loop does now."""
        if self._polling:
            self._plane.abandon_take()

    def _take(self) -> Job | None:
        self._polling = True
        try:
            return self._plane.take()
        finally:
            self._polling = False

    def _work_on(self, job: Job) -> None:
        with self._heartbeat.busy_with(job.id):
            response = self._respond(job)
            self._report(job, json.dumps(response.to_job_done()).encode())

    def _respond(self, job: Job) -> FunctionResponse:
        try:
            request = FunctionRequest.from_input(job.input)
        except RequestError as error:
            return FunctionResponse(False, error=f"Error in handler: {error}")
        try:
            notes = self._dependencies.ensure(request)
        except DependencyError as error:
            return FunctionResponse(False, error=str(error), stdout="")
        if notes:
            _log(notes.rstrip("\n"))
        return self._call(request, notes)

    def _report(self, job: Job, body: bytes) -> None:
        problem = self._deliver(job, body)
        for pause in _DONE_PAUSES:
            if problem is None or not problem.passing:
                break
            time.sleep(pause)
            problem = self._deliver(job, body)
        if problem is not None:
            _log(f"the result of job {job.id} was not accepted: {problem.text}")

    def _deliver(self, job: Job, body: bytes) -> _Refusal | None:
        try:
            reply = self._plane.done(job.id, body)
        except PlaneError as error:
            return _Refusal(str(error), passing=True)
        if reply.status < 400:
            return None
        text = f"job-done: {reply.status} {reply.body[:200]!r}"
        return _Refusal(text, passing=reply.status >= 500)


def _log(text: str) -> None:
    print(f"flash worker: {text}", file=sys.__stderr__, flush=True)
