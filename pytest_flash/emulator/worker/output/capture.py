"""What user code prints while it runs: kept for the caller, and echoed to the worker's log."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from collections import deque
from os import environ  # A job may put another mapping in its place.

from ..process.log import ERR, OUT, Log
from .shortened_text import ShortenedText, shortened

_LEVELS = {"CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG", "NOTSET"}

# As the image's worker shows records ahead of everything else, and how many it keeps (worker-flash
# 1.0.0).
_FORMATTER = logging.Formatter("%(asctime)s | %(levelname)-5s | %(message)s")
_DEBUG_FORMATTER = logging.Formatter(
    "%(asctime)s | %(levelname)-5s | %(name)s | %(filename)s:%(lineno)d | %(message)s"
)
_RECORDS_KEPT = 1000
# Characters of one.
_RECORD_KEPT = 10_000


class _Echo(ShortenedText):
    """Keeps what is written, and writes it to the worker's log too.

    Like the image's worker it has no descriptor: ``fileno()`` raises UnsupportedOperation.
    """

    def __init__(self, log: Log, stream: int) -> None:
        super().__init__()
        self._log = log
        self._stream = stream
        self._keeps = True

    def write(self, text: str, /) -> int:
        self._log.write(text, self._stream)
        return super().write(text) if self._keeps else len(text)

    def close(self) -> None:
        """Nothing: what was written is still to be read, and others may write."""

    def release(self) -> None:
        """Stop keeping: a thread or a logging handler may hold the stream after the call."""
        self._keeps = False


class Records(logging.Handler):
    """Keeps the last records as formatted lines, and writes each to the worker's log."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log
        self.begin()

    def begin(self) -> None:
        """Begin anew, at the level that ``LOG_LEVEL`` says now."""
        self.lines: deque[str] = deque(maxlen=_RECORDS_KEPT)
        self.setLevel(_level())
        self.setFormatter(_DEBUG_FORMATTER if self.level == logging.DEBUG else _FORMATTER)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - wrong arguments of the user's logging call
            self.handleError(record)
            return
        self.lines.append(shortened(line, _RECORD_KEPT))
        self._log.write(f"{line}\n")


class Capture(contextlib.AbstractContextManager["Capture"]):
    """Captures ``sys.stdout``, ``sys.stderr`` and the root logger for one call after the other.

    Twice over as in the images: records appear at the head with their time, and as bare messages
    behind what was printed.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        # Kept, since logging keeps account of every handler that is made.
        self._records = Records(log)
        self._bare = logging.StreamHandler()
        self._handlers = (self._records, self._bare)

    def __enter__(self) -> Capture:
        self._out = _Echo(self._log, OUT)
        self._err = _Echo(self._log, ERR)
        self._bare.stream = self._messages = ShortenedText()
        self._records.begin()
        for handler in self._handlers:
            logging.getLogger().addHandler(handler)
        self._before = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = self._out, self._err
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdout, sys.stderr = self._before
        for handler in self._handlers:
            logging.getLogger().removeHandler(handler)
        for stream in (self._out, self._err):
            stream.release()

    def text(self) -> str:
        """Everything so far: records, standard output, standard error, messages of records."""
        printed = self._out.getvalue() + self._err.getvalue() + self._messages.getvalue()
        return whole_text(self.records(), printed)

    def records(self) -> str:
        """What was logged so far, a line for each record."""
        return "\n".join(self._records.lines)


def whole_text(records: str, printed: str) -> str:
    """The output of a call: what was logged, and behind it what was printed."""
    return f"{records}\n\n{printed}" if records and printed else records or printed


def prepare_streams() -> None:
    """Make the worker's own streams UTF-8 that never refuses a character, and set the root
    logger's level from ``LOG_LEVEL`` (INFO without one)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    logging.getLogger().setLevel(_level())


def _level() -> str:
    level = environ.get("LOG_LEVEL", "INFO").upper()
    return level if level in _LEVELS else "INFO"
