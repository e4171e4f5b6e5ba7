"""What calls that run at the same time print: each kept for its own caller."""

from __future__ import annotations

import contextlib
import contextvars
import io
import logging
import sys

from ..process.log import ERR, OUT, Log
from .capture import Records, whole_text
from .shortened_text import ShortenedText


class Switchboard:
    """Stands in for ``sys.stdout``, ``sys.stderr`` and the root logger's handlers for good.

    What is written goes to the worker's log and to the call in whose context it is written. A
    thread that user code started has no context: what it writes goes to the one call that runs,
    if it is the only one.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._context: contextvars.ContextVar[SharedCapture | None] = contextvars.ContextVar(
            "flash-call", default=None
        )
        self._running: set[SharedCapture] = set()

    def install(self) -> None:
        """Take the place of the process's streams."""
        logging.getLogger().addHandler(_Dispatch(self, self._log))
        sys.stdout, sys.stderr = _Outlet(self, self._log, OUT), _Outlet(self, self._log, ERR)

    def capture(self) -> SharedCapture:
        """A capture for one call; to be entered in that call's task."""
        return SharedCapture(self._context, self._running, self._log)

    def listener(self) -> SharedCapture | None:
        """Whose call writes now."""
        own = self._context.get()
        if own is not None:
            return own if own in self._running else None
        return next(iter(self._running)) if len(self._running) == 1 else None


class SharedCapture(contextlib.AbstractContextManager["SharedCapture"]):
    """What one of several calls prints and logs, in the form that ``Capture`` has."""

    def __init__(
        self,
        context: contextvars.ContextVar[SharedCapture | None],
        running: set[SharedCapture],
        log: Log,
    ) -> None:
        self._context = context
        self._running = running
        self._printed = {OUT: ShortenedText(), ERR: ShortenedText()}
        self._messages = ShortenedText()
        self._records = Records(log)
        self._handlers = (self._records, logging.StreamHandler(self._messages))

    def __enter__(self) -> SharedCapture:
        self._context.set(self)
        self._running.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        # The context keeps this capture: what the call left running is nobody else's output.
        self._running.discard(self)

    def keep(self, stream: int, text: str) -> None:
        """Something was written to ``stream``: ``OUT`` or ``ERR``."""
        self._printed[stream].write(text)

    def keep_whole(self, stream: int, text: str) -> None:
        """As ``keep``, however much there is."""
        self._printed[stream].write_whole(text)

    def log(self, record: logging.LogRecord) -> None:
        """Something was logged."""
        for handler in self._handlers:
            if record.levelno >= handler.level:
                handler.handle(record)

    def text(self) -> str:
        """Everything so far: records, standard output, standard error, messages of records."""
        parts = (*self._printed.values(), self._messages)
        return whole_text(self.records(), "".join(part.getvalue() for part in parts))

    def records(self) -> str:
        """What was logged so far, a line for each record."""
        return "\n".join(self._records.lines)


class _Dispatch(logging.Handler):
    """Hands each record to the call that logs it."""

    def __init__(self, board: Switchboard, log: Log) -> None:
        super().__init__()
        self._board = board
        self._nobody = Records(log)

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a record on; what nobody's call logs is for the worker's log alone."""
        listener = self._board.listener()
        if listener is None:
            self._nobody.handle(record)
        else:
            listener.log(record)


class _Outlet(io.TextIOBase):
    """One stream of the process. Like the image's worker it has no descriptor."""

    def __init__(self, board: Switchboard, log: Log, stream: int) -> None:
        self._board = board
        self._log = log
        self._stream = stream

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, text: str, /) -> int:
        """Write to the worker's log, and to whose call it is."""
        self._log.write(text, self._stream)
        if listener := self._board.listener():
            listener.keep(self._stream, text)
        return len(text)

    def whisper(self, text: str) -> None:
        """Write to whose call it is alone, and there all of it."""
        if listener := self._board.listener():
            listener.keep_whole(self._stream, text)
