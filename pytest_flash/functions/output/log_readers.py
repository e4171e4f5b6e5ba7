"""The logs of workers, read on behalf of the jobs that run there: one stream for each worker."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass

from ...backoff import Backoff
from ...errors import RunpodApiError, RunpodConnectionError
from ...events import EventSink, Notice
from ...process.loop_thread import LoopThread
from ...runpod import LogClient
from ..onworker.log_marks import read
from ..onworker.signing import Signer
from .job_output import JobListener

# A worker whose log cannot be had is not asked again after so many failures in a row.
_FAILURES = 8


@dataclass(frozen=True)
class LogPolling:
    """How insistently logs are asked for; times are seconds.

    A stream stays open for ``linger`` after its last job, for the next one. Where jobs run whose
    worker is not known, workers are looked up after the pauses of ``lookup``, from the first one
    again once this turns up anything new. After a failure a stream is opened again after those of
    ``reopen``. At most ``streams`` are open for an endpoint.
    """

    linger: float
    lookup: Backoff
    reopen: Backoff
    streams: int


# Each request to Runpod counts against the account's quota; the emulator has none.
LIVE = LogPolling(linger=30.0, lookup=Backoff(20.0, 160.0), reopen=Backoff(2.0, 60.0), streams=16)
EMBEDDED = LogPolling(linger=5.0, lookup=Backoff(1.0, 1.0), reopen=Backoff(0.2, 5.0), streams=64)


class JobLogs:
    """Has jobs hear what they print. Safe to share by threads.

    Logs are read by a thread of its own, begun when the first job wants to be heard: calls come
    from event loops that end before the next job, and do not wait for it.
    """

    def __init__(
        self, logs: LogClient, on_event: EventSink, manners: LogPolling | None = None
    ) -> None:
        self.logs = logs
        self.manners = manners or (LIVE if logs.is_live else EMBEDDED)
        self._on_event = on_event
        self._calls: weakref.WeakValueDictionary[str, JobListener] = weakref.WeakValueDictionary()
        self._endpoints: dict[str, _EndpointLogs] = {}
        self._thread: LoopThread | None = None
        self._lock = threading.Lock()
        self._closed = False

    def expect(self, listening: JobListener) -> None:
        """Whatever log is read, what the call of its signer prints is for ``listening``."""
        self._calls[listening.signer.name] = listening

    def seek(self, listening: JobListener) -> None:
        """Read the log of its worker, or look for its worker, until it leaves."""
        with self._lock:
            if self._closed:
                return
            self._thread = self._thread or LoopThread("flash-logs")
            self._thread.submit(self._join(listening))

    def leave(self, listening: JobListener) -> None:
        """It needs no log any more."""
        with self._lock:
            if self._thread is not None and not self._closed:
                self._thread.submit(self._part(listening))

    def close(self) -> None:
        """Read nothing any more."""
        with self._lock:
            thread, self._thread, self._closed = self._thread, None, True
        if thread is not None:
            thread.stop()

    def deliver(self, worker_id: str, line: str) -> bool:
        """Tell a line of a worker's log to whom it is for; whether its worker is a new one."""
        found = read(line, self._signer)
        listening = None if found is None else self._calls.get(found[0])
        if found is None or listening is None:
            return False
        before = listening.worker_id
        listening.take(found[1], worker_id)
        return listening.worker_id != before

    def refused(self, error: RunpodApiError) -> None:
        """The key may not read logs: nothing is asked for any more."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._on_event(
            Notice(f"output appears when jobs end, since logs of workers cannot be read: {error}")
        )

    def _signer(self, name: str) -> Signer | None:
        listening = self._calls.get(name)
        return None if listening is None else listening.signer

    async def _join(self, listening: JobListener) -> None:
        attendance = self._endpoints.get(listening.endpoint_id)
        if attendance is None:
            attendance = _EndpointLogs(listening.endpoint_id, self, self._endpoints.pop)
            self._endpoints[listening.endpoint_id] = attendance
        attendance.join(listening)

    async def _part(self, listening: JobListener) -> None:
        attendance = self._endpoints.get(listening.endpoint_id)
        if attendance is not None:
            attendance.part(listening)


class _EndpointLogs:
    """The workers of one endpoint, for as long as jobs want to be heard. Lives on one loop."""

    def __init__(self, endpoint_id: str, listeners: JobLogs, over: Callable[[str], object]) -> None:
        self._id = endpoint_id
        self._listeners = listeners
        self._manners = listeners.manners
        self._over = over
        self._loop = asyncio.get_running_loop()
        self._jobs: set[JobListener] = set()
        self._streams: dict[str, asyncio.Task[None]] = {}
        # When a worker was last of use.
        self._used: dict[str, float] = {}
        self._running: frozenset[str] = frozenset()
        self._lookup: asyncio.Task[None] | None = None
        self._lookups = self._manners.lookup.pauses()
        self._pause = next(self._lookups)
        self._looked = -self._pause
        self._changed = asyncio.Event()
        self._task = self._loop.create_task(self._attend())

    def join(self, listening: JobListener) -> None:
        """A job wants to be heard, or has turned out to be on another worker."""
        self._jobs.add(listening)
        self._changed.set()

    def part(self, listening: JobListener) -> None:
        """A job wants nothing any more."""
        self._jobs.discard(listening)
        self._changed.set()

    async def _attend(self) -> None:
        try:
            while self._jobs or self._streams or self._lookup:
                self._changed.clear()
                self._open_and_close()
                try:
                    await asyncio.wait_for(self._changed.wait(), self._next())
                except (asyncio.TimeoutError, TimeoutError):
                    continue
        finally:
            self._over(self._id)
            for task in filter(None, (*self._streams.values(), self._lookup)):
                task.cancel()

    def _open_and_close(self) -> None:
        now = self._loop.time()
        astray = any(each.worker_id is None for each in self._jobs)
        wanted = {each.worker_id for each in self._jobs if each.worker_id is not None}
        if astray:
            wanted |= self._running
            if self._lookup is None and now - self._looked >= self._pause:
                self._looked = now
                self._lookup = self._loop.create_task(self._look_up())
        self._used.update(dict.fromkeys(wanted, now))
        for worker in [*self._streams]:
            if now - self._used[worker] >= self._manners.linger:
                self._streams.pop(worker).cancel()
        for worker in wanted - self._streams.keys():
            if len(self._streams) < self._manners.streams:
                self._streams[worker] = self._loop.create_task(self._follow(worker))

    def _next(self) -> float:
        """Seconds until there is something to do, if nothing changes."""
        now = self._loop.time()
        due = [self._used[each] + self._manners.linger for each in self._streams]
        if self._lookup is None and any(each.worker_id is None for each in self._jobs):
            due.append(self._looked + self._pause)
        # A little late rather than a little early, which would be for nothing.
        return max(0.0, min(due, default=now + self._manners.linger) - now) + 0.01

    async def _look_up(self) -> None:
        try:
            running = frozenset(await self._listeners.logs.running(self._id))
        except RunpodApiError as error:
            self._ask_no_more(error)
        except RunpodConnectionError:
            pass  # The next look may succeed; the result brings the output in any case.
        else:
            new = running - self._running
            if new:
                self._lookups = self._manners.lookup.pauses()
            self._pause = next(self._lookups)
            self._running = running
        finally:
            self._lookup = None
            self._looked = self._loop.time()
            self._changed.set()

    async def _follow(self, worker: str) -> None:
        """Read a worker's log; where it breaks off, behind what was read."""
        failures, last = 0, ""
        while failures < _FAILURES:
            began, wait, refused = self._loop.time(), 0.0, False
            try:
                async for entry in self._listeners.logs.follow(self._id, worker, last):
                    last = entry.id or last
                    if self._listeners.deliver(worker, entry.line):
                        self._changed.set()
            except RunpodApiError as error:
                self._ask_no_more(error)
                wait, refused = float(error.retry_after or 0), True
            except RunpodConnectionError:
                pass  # As above.
            lasted = not refused and self._loop.time() - began > self._manners.reopen.last
            failures = 1 if lasted else failures + 1
            await asyncio.sleep(max(wait, self._manners.reopen.pause(failures)))

    def _ask_no_more(self, error: RunpodApiError) -> None:
        if error.status in (401, 403):
            self._listeners.refused(error)
            self._task.cancel()
