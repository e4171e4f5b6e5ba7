"""A steady load of requests, each on a connection of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """One request: when it was sent and answered (monotonic seconds), and with what.

    ``status`` is 0 where there was no answer, and ``body`` says why.
    """

    sent: float
    answered: float
    status: int
    generation: int
    body: str


@dataclass
class Load:
    """Requests to ``url`` at ``rate`` per second, from a thread, while the context lasts."""

    url: str
    rate: float
    answers: list[Answer] = field(default_factory=list)

    def __enter__(self) -> Load:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._run(),))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def generation(self) -> int:
        """The newest generation that has answered."""
        return max((each.generation for each in list(self.answers)), default=0)

    async def _run(self) -> None:
        due = time.monotonic()
        pending: set[asyncio.Task[None]] = set()
        while not self._stop.is_set():
            task = asyncio.create_task(self._request())
            pending.add(task)
            task.add_done_callback(pending.discard)
            due += 1 / self.rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        await asyncio.gather(*pending)

    async def _request(self) -> None:
        sent = time.monotonic()
        try:
            status, generation, body = await asyncio.wait_for(_exchange(self.url), 30)
        except (OSError, EOFError, ValueError, asyncio.TimeoutError) as error:
            status, generation, body = 0, 0, repr(error)
        self.answers.append(Answer(sent, time.monotonic(), status, generation, body))


async def _exchange(url: str) -> tuple[int, int, str]:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(
            f"GET / HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode()
        )
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in lines)}
    return int(status.split()[1]), int(headers["x-flash-generation"]), body.decode()


def stale(answers: list[Answer]) -> list[Answer]:
    """Those of ``answers`` that old code gave: a newer one had answered before they were sent."""
    arrived = sorted(answers, key=lambda each: each.answered)
    newest, position, found = 0, 0, []
    for answer in sorted(answers, key=lambda each: each.sent):
        while arrived[position].answered < answer.sent:
            newest = max(newest, arrived[position].generation)
            position += 1
        if answer.status and answer.generation < newest:
            found.append(answer)
    return found
