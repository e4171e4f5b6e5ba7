"""What workers print, and what happens to them: kept for a while, and followed."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import islice, takewhile
from typing import Literal

from ...clock import wall_time_ns

Source = Literal["container", "system"]
SOURCES: tuple[Source, ...] = ("container", "system")

_LINES_KEPT = 5000
_CHARACTERS_KEPT = 2_000_000
_LINE_LIMIT = 65_536
_ENDED_KEPT = 20
_ENDED_SECONDS = 600.0
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class LogLine:
    """One line: ``container`` for what the worker printed, ``system`` for what happened to it.

    ``moment`` is microseconds since 1970, and no other line of its log has the same.
    """

    moment: int
    source: Source
    text: str

    @property
    def timestamp(self) -> str:
        """The moment as RFC 3339 has it."""
        moment = _EPOCH + timedelta(microseconds=self.moment)
        return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class LogStart:
    """Where reading begins: at the last ``tail`` lines, or at ``moment`` where that is given."""

    tail: int = 100
    moment: int | None = None


class WorkerLog:
    """The log of one worker, its latest 5,000 lines. Lives on one event loop."""

    def __init__(self) -> None:
        self._lines: deque[LogLine] = deque()
        self._characters = 0
        self._news = asyncio.Event()
        self._closed = False

    def add(self, source: Source, text: str) -> None:
        """Append a line; of a very long one its end, where what callers look for stands."""
        moment = wall_time_ns() // 1000
        if self._lines:
            moment = max(moment, self._lines[-1].moment + 1)
        line = LogLine(moment, source, text[-_LINE_LIMIT:])
        self._lines.append(line)
        self._characters += len(line.text)
        while len(self._lines) > _LINES_KEPT or self._characters > _CHARACTERS_KEPT:
            self._characters -= len(self._lines.popleft().text)
        self._tell()

    def close(self) -> None:
        """The worker is gone: whoever follows is done."""
        self._closed = True
        self._tell()

    async def follow(self, source: Source | None, start: LogStart) -> AsyncIterator[LogLine]:
        """The lines of ``source`` (None: of both), as they are and as they come, to the end."""
        if start.moment is not None:
            lines = self._since(start.moment)
        else:
            lines = self._last(start.tail, lambda line: source in (None, line.source))
        # Lines of the other source, and those before the tail, count as read too.
        read = self._lines[-1].moment if self._lines else 0
        while True:
            for line in lines:
                if source in (None, line.source):
                    yield line
            lines = self._since(read + 1)
            if lines:
                read = lines[-1].moment
            elif self._closed:
                return
            else:
                await self._news.wait()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _since(self, moment: int) -> list[LogLine]:
        newer = takewhile(lambda line: line.moment >= moment, reversed(self._lines))
        return [*newer][::-1]

    def _last(self, count: int, wanted: Callable[[LogLine], bool]) -> list[LogLine]:
        return [*islice(filter(wanted, reversed(self._lines)), count)][::-1]


class WorkerLogs:
    """The logs of an endpoint's workers, also of those that have just ended."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._logs: dict[str, WorkerLog] = {}
        self._ended: OrderedDict[str, float] = OrderedDict()

    def open(self, worker_id: str) -> WorkerLog:
        """A new worker's log."""
        log = self._logs[worker_id] = WorkerLog()
        return log

    def end(self, worker_id: str) -> None:
        """The worker is gone; its log stays for ten minutes, unless many more end."""
        log = self._logs.get(worker_id)
        if log is not None and worker_id not in self._ended:
            log.close()
            self._ended[worker_id] = self._clock() + _ENDED_SECONDS
            self._forget()

    def get(self, worker_id: str) -> WorkerLog | None:
        """The log of a worker that is or was until lately."""
        self._forget()
        return self._logs.get(worker_id)

    def _forget(self) -> None:
        now = self._clock()
        while self._ended:
            worker_id, until = next(iter(self._ended.items()))
            if until > now and len(self._ended) <= _ENDED_KEPT:
                return
            del self._ended[worker_id]
            del self._logs[worker_id]
