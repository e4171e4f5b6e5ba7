"""Server-Sent Events, read from bytes as they arrive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import RunpodConnectionError

# An event may be as long as a line of a log; beyond that it is not a stream of events.
_LONGEST = 8_000_000
_ENTRY = 64


@dataclass(frozen=True)
class ServerEvent:
    """``data`` of an event, and the last id that the stream has given so far."""

    id: str
    data: str


class EventReader:
    """Makes events of a ``text/event-stream`` (HTML standard, "Server-sent events").

    Lines end with LF, CR or both, and with no other character that Unicode calls a line's end.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._id = ""
        self._data: list[str] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[ServerEvent]:
        """The events that ``chunk`` completes. Raises RunpodConnectionError for an endless one."""
        lines = (self._rest + chunk).splitlines(keepends=True)
        # A CR at the end may be half of a line's end.
        self._rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        if len(self._rest) > _LONGEST:
            raise RunpodConnectionError("a stream of events has a line without end")
        for line in lines:
            yield from self._line(line.rstrip(b"\r\n").decode("utf-8", "replace"))

    def _line(self, line: str) -> Iterator[ServerEvent]:
        if not line:
            if self._data:
                yield ServerEvent(self._id, "\n".join(self._data))
            self._data, self._size = [], 0
            return
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
            # With what an entry costs: lines may be empty.
            self._size += len(value) + _ENTRY
            if self._size > _LONGEST:
                raise RunpodConnectionError("a stream of events has an event without end")
        elif name == "id" and "\0" not in value:
            self._id = value
