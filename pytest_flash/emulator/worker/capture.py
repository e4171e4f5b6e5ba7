"""What user code prints while it runs: kept for the caller, and echoed to the worker's log."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from typing import TextIO

_LEVELS = {"CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG", "NOTSET"}


class _Echo(io.StringIO):
    """Keeps what is written, and writes it to a live stream too.

    Like the image's worker it has no descriptor: ``fileno()`` raises UnsupportedOperation.
    """

    def __init__(self, live: TextIO | None) -> None:
        super().__init__()
        self._live = live
        self._keeps = True

    def write(self, text: str, /) -> int:
        if self._live is not None:
            self._live.write(text)
            self._live.flush()
        return super().write(text) if self._keeps else len(text)

    def release(self) -> None:
        """Stop keeping: a thread or a logging handler may hold the stream after the call."""
        self._keeps = False


class Capture(contextlib.AbstractContextManager["Capture"]):
    """Captures ``sys.stdout``, ``sys.stderr`` and the root logger for one call."""

    def __init__(self) -> None:
        self._out = _Echo(sys.__stdout__)
        self._err = _Echo(sys.__stderr__)
        self._log = _Echo(sys.__stderr__)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Capture:
        root = logging.getLogger()
        handler = logging.StreamHandler(self._log)
        handler.setFormatter(logging.Formatter(logging.BASIC_FORMAT))
        root.addHandler(handler)
        self._stack.callback(root.removeHandler, handler)
        self._stack.enter_context(contextlib.redirect_stdout(self._out))
        self._stack.enter_context(contextlib.redirect_stderr(self._err))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        for stream in (self._out, self._err, self._log):
            stream.release()

    def text(self) -> str:
        """Everything so far: standard output, then standard error, then log lines."""
        return self._out.getvalue() + self._err.getvalue() + self._log.getvalue()


def prepare_streams() -> None:
    """Make the worker's own streams UTF-8 that never refuses a character, and set the root
    logger's level from ``LOG_LEVEL`` (INFO without one)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    level = os.environ.get("LOG_LEVEL", "INFO").upper()
    logging.getLogger().setLevel(level if level in _LEVELS else "INFO")
