"""What a function prints and logs, each line once, while the worker captures it in its own way."""

from __future__ import annotations

import io
import logging
import sys
from typing import Any

# Characters that are kept; of more the beginning goes.
_KEPT = 1_000_000


class Transcript:
    """Listens to ``sys.stdout``, ``sys.stderr`` and the root logger for one call."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._streams = (sys.stdout, sys.stderr)
        self._handler = _Handler(self)

    def __enter__(self) -> Transcript:
        OUT.listen(self, sys.stdout)
        ERR.listen(self, sys.stderr)
        sys.stdout, sys.stderr = OUT, ERR
        logging.getLogger().addHandler(self._handler)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self._handler)
        sys.stdout, sys.stderr = self._streams
        OUT.listen(None, sys.stdout)
        ERR.listen(None, sys.stderr)

    def add(self, text: str) -> None:
        """Keep ``text``."""
        self._parts.append(text)

    def text(self) -> str:
        """Everything so far, in order of time."""
        text = "".join(self._parts)
        return text if len(text) <= _KEPT else f"[…]{text[-_KEPT:]}"

    def whisper(self, line: str) -> None:
        """Put a line into what the worker captures, and where it can be helped into no log."""
        stream: Any = self._streams[0]
        write = io.StringIO.write if isinstance(stream, io.StringIO) else type(stream).write
        write(stream, f"\n{line}\n")


class _Tee:
    """A stream that is kept by whoever looked it up once, such as a logging handler."""

    def __init__(self) -> None:
        self._transcript: Transcript | None = None
        self._stream: Any = None

    def listen(self, transcript: Transcript | None, stream: Any) -> None:
        """Copy to ``transcript`` what goes to ``stream``, from now on."""
        self._transcript, self._stream = transcript, stream

    def write(self, text: str) -> int:
        """Write to the stream beneath."""
        if self._transcript is not None:
            self._transcript.add(text)
        self._stream.write(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write each of ``lines``."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


OUT: Any = _Tee()
ERR: Any = _Tee()


class _Handler(logging.Handler):
    def __init__(self, transcript: Transcript) -> None:
        super().__init__()
        self._transcript = transcript
        self.setFormatter(logging.Formatter(logging.BASIC_FORMAT))

    def emit(self, record: logging.LogRecord) -> None:
        if not _is_printed(record):
            self._transcript.add(f"{self.format(record)}\n")


def _is_printed(record: logging.LogRecord) -> bool:
    """Whether a handler of the user's writes ``record`` where we listen."""
    logger: logging.Logger | None = logging.getLogger(record.name)
    while logger is not None:
        for handler in logger.handlers:
            if getattr(handler, "stream", None) in (OUT, ERR) and record.levelno >= handler.level:
                return True
        logger = logger.parent if logger.propagate else None
    return False
