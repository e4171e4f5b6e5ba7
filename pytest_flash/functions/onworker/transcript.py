"""What a function prints and logs, each line once, while the worker captures it in its own way."""

from __future__ import annotations

import codecs
import contextvars
import io
import logging
import sys
import threading
from typing import Any

from .live_output import LivePrinter
from .signing import Signer

# Characters that are kept; of more the beginning goes.
_KEPT = 1_000_000
LEFT_OUT = "[…]"
# The text, under which name it was said aloud, and how many characters of it were left out.
Output = tuple[str, str, int]
_FORMATTER = logging.Formatter(logging.BASIC_FORMAT)


class Transcript:
    """Listens to ``sys.stdout``, ``sys.stderr`` and the root logger for one call.

    Others may run beside it, each in a task of its own. With ``aloud``, what the signer's call
    prints is said in the worker's log too.
    """

    def __init__(self, signer: Signer, aloud: bool) -> None:
        self.signer = signer
        self._parts: list[str] = []
        self._aloud = LivePrinter(signer) if aloud else None
        # A signal's handler may print while its thread does.
        self._order = threading.RLock()
        self.beneath: dict[str, Any] = {}

    def __enter__(self) -> Transcript:
        self._token = _OWN.set(self)
        _RUNNING.append(self)
        self.beneath = {each.name: each.begin() for each in (OUT, ERR)}
        logging.getLogger().addHandler(_HANDLER)
        return self

    def __exit__(self, *_: object) -> None:
        _RUNNING.remove(self)
        if not _RUNNING:
            logging.getLogger().removeHandler(_HANDLER)
        for tee in (OUT, ERR):
            tee.end()
        _OWN.reset(self._token)

    def add(self, text: str) -> None:
        """Keep ``text``."""
        # A child process may have been forked while another thread held the lock.
        if self._aloud is None or not self._aloud.is_ours:
            self._parts.append(text)
            return
        with self._order:
            self._parts.append(text)
            self._aloud.add(text)

    def output(self, most: int = _KEPT) -> Output:
        """Everything so far, in order of time; the last ``most`` characters of it."""
        text, run = "".join(self._parts), self._aloud.run if self._aloud else ""
        left_out = max(0, len(text) - min(most, _KEPT))
        return (f"{LEFT_OUT}{text[left_out:]}" if left_out else text), run, left_out

    def whisper(self, line: str) -> None:
        """Put a line into what the worker captures, and where it can be helped into no log."""
        stream: Any = self.beneath["stdout"]
        if isinstance(stream, io.StringIO):
            io.StringIO.write(stream, f"\n{line}\n")
        else:
            getattr(stream, "whisper", stream.write)(f"\n{line}\n")


_OWN: contextvars.ContextVar[Transcript | None] = contextvars.ContextVar("own", default=None)
_RUNNING: list[Transcript] = []


def _listener() -> Transcript | None:
    """Who is written to now: the call of this task, or the only one, for a thread of its own."""
    own = _OWN.get()
    if own is not None:
        return own if own in _RUNNING else None
    return _RUNNING[0] if len(_RUNNING) == 1 else None


class _Bytes(io.BufferedIOBase):
    """A stream of text, for those who write bytes: UTF-8."""

    def __init__(self, text: _Tee) -> None:
        self._text = text
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")

    mode = "wb"

    @property
    def raw(self) -> _Bytes:
        """Itself: nothing is buffered but a part of a character."""
        return self

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: Any, /) -> int:
        """Write what is whole of ``data``; the rest waits for its end."""
        view = memoryview(data)
        text = self._decoder.decode(view)
        if text:
            self._text.write(text)
        return view.nbytes

    def fileno(self) -> int:
        """That of the stream."""
        return self._text.fileno()

    def close(self) -> None:
        """Nothing, as the stream's."""


class _Tee:
    """A stream that is kept by whoever looked it up once, such as a logging handler."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._base: Any = None
        self._installed = False
        self._bytes = _Bytes(self)

    def begin(self) -> Any:
        """Take the stream's place, if a call beside has not; gives the stream."""
        found = getattr(sys, self.name, None)
        if found is not self and (found is self._base or not self._is_replaced()):
            self._base, self._installed = found, True
            setattr(sys, self.name, self)
        return self._base

    def _is_replaced(self) -> bool:
        """Whether user code has put a stream in our place, which may write to us in turn.

        Not where the worker has a new stream for each call: its own has no ``whisper``.
        """
        return self._installed and hasattr(self._base, "whisper")

    def end(self) -> None:
        """Give its place back to the stream, after the last call."""
        if not _RUNNING and getattr(sys, self.name, self) is self:
            setattr(sys, self.name, self._base)
            self._installed = False

    def write(self, text: str) -> int:
        """Write to the stream beneath, and to the call that writes."""
        listener = _listener()
        self._beneath(listener).write(encodable(text))
        if listener is not None:
            # Now, since the stream beneath may write to the worker's log, where a line ends first.
            listener.add(text)
        return len(text)

    encoding = "utf-8"
    errors = "backslashreplace"
    mode = "w"
    write_through = True

    @property
    def buffer(self) -> _Bytes:
        """The same stream, for bytes."""
        return self._bytes

    def reconfigure(self, **_: Any) -> None:
        """Nothing: what is written arrives at once, as it is."""

    def fileno(self) -> int:
        """The process's own descriptor: what is written there reaches the worker's log alone."""
        return 1 if self.name == "stdout" else 2

    def close(self) -> None:
        """Nothing: the worker reads the stream beneath when the function has ended."""

    def writelines(self, lines: Any) -> None:
        """Write each of ``lines``."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._beneath(_listener()), name)

    def _beneath(self, listener: Transcript | None) -> Any:
        return self._base if listener is None else listener.beneath[self.name]


def encodable(text: str) -> str:
    """``text`` with escapes for what no encoding has, halves of surrogate pairs: images for load
    balancers cannot answer with them."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


OUT: Any = _Tee("stdout")
ERR: Any = _Tee("stderr")


class _Handler(logging.Handler):
    """Hands what is logged to the call that logs it."""

    def emit(self, record: logging.LogRecord) -> None:
        listener = _listener()
        if listener is None or _is_printed(record):
            return
        try:
            text = self.format(record)
        except Exception:  # noqa: BLE001 - wrong arguments of the user's logging call
            self.handleError(record)  # As every handler does: it is printed, and no more.
            return
        listener.add(f"{text}\n")


# One for all calls, since logging keeps account of every handler that is made.
_HANDLER = _Handler()
_HANDLER.setFormatter(_FORMATTER)


def _is_printed(record: logging.LogRecord) -> bool:
    """Whether a handler of the user's writes ``record`` where we listen."""
    logger: logging.Logger | None = logging.getLogger(record.name)
    while logger is not None:
        for handler in logger.handlers:
            if getattr(handler, "stream", None) in (OUT, ERR) and record.levelno >= handler.level:
                return True
        logger = logger.parent if logger.propagate else None
    return False
