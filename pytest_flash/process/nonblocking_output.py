"""Standard output and error that never wait for whoever reads them.

A pipe whose reader has stopped reading takes 64 KB, and then a write waits without an end: an
event loop that prints answers nobody any more, and runs no handler of a signal. Here what a pipe
does not take is kept, up to a limit, and written by a thread. What is beyond the limit is dropped,
and a line says how much.

It cannot do so for what is written to the descriptors beneath: by subprocesses, by extension
modules, by ``os.write``.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import io
import os
import select
import stat
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final

from ..clock import monotonic

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

KEPT: Final = 4_000_000
"""Bytes that wait at most, beside those that the pipe holds."""

# Written at once, by the thread.
_PIECE = 1 << 16
# Somebody reads if so lately something could be written; then a write may wait for room, for a
# moment. Seconds, also below.
_LATELY, _MOMENT = 0.5, 0.1
# At the end of the process: as long as somebody reads, who may pause for so long.
_AT_EXIT, _AT_EXIT_PAUSE = 5.0, 1.0
_LOOK = 0.5


class Writer:
    """Writes to a descriptor without waiting. Thread-safe, also in forked children.

    At most ``kept`` bytes wait; of more, ``dropped`` keeps account.
    """

    def __init__(self, descriptor: int, kept: int = KEPT, dropped: Dropped | None = None) -> None:
        self.descriptor = descriptor
        self._most = kept
        self._way: _Way | None = None
        # A signal's handler may print while its thread does.
        self._changed = threading.Condition(threading.RLock())
        self._waiting = bytearray()
        self._lost = DroppedLines() if dropped is None else dropped
        self._written = monotonic()
        self._error: OSError | None = None
        self._closed = False
        self._thread: threading.Thread | None = None
        begin_anew = weakref.WeakMethod(self._begin_anew)
        os.register_at_fork(after_in_child=lambda: (found := begin_anew()) and found())

    def write(self, data: bytes, *, must: bool = False) -> None:
        """Write ``data`` now, or later, or count it as dropped, which is no choice if it ``must``.

        Raises OSError where nothing can be written, such as to a pipe without a reader.
        """
        with self._changed:
            if self._closed:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            data = self._lost.continued(data)
            if not self._waiting:
                written = self._try(data)
                data, must = data[written:], must or (written > 0 and self._lost.whole)
            if data:
                self._keep(data, must)

    def flush(self, seconds: float, pause: float) -> None:
        """Return when nothing waits, when nobody has read for ``pause``, or after ``seconds``."""
        began = monotonic()
        with self._changed:
            while self._waiting:
                now = monotonic()
                left = min(began + seconds, max(began, self._written) + pause) - now
                if left <= 0 or not self._changed.wait(left):
                    return

    def close(self) -> None:
        """Write no more, nor what waits: the descriptor may be closed, and its number reused."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._lost.forget()
            if self._way is not None:
                self._way.close()
                self._way = None

    def _keep(self, data: bytes, must: bool) -> None:
        if not self._has_room(data) and self._is_read():
            self._changed.wait_for(lambda: self._has_room(data), _MOMENT)
        if not must and not self._has_room(data):
            self._lost.add(data)
            return
        if self._lost:
            self._waiting += self._lost.note()
        self._waiting += data
        self._start()
        if self._way is not None and self._way.blocks and self._is_read():
            # As good as written, in the order of all that is.
            self._changed.wait_for(lambda: not self._waiting, _MOMENT)

    def _start(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="flash-output", daemon=True)
            with contextlib.suppress(RuntimeError):  # The interpreter ends: it stays unwritten.
                thread.start()
                self._thread = thread

    def _has_room(self, data: bytes) -> bool:
        # Once something was dropped, much has to be free before anything is kept again: else there
        # would be a note behind every other line.
        most = self._most // 2 if self._lost else self._most
        return len(self._waiting) + len(data) <= most

    def _is_read(self) -> bool:
        return monotonic() - self._written < _LATELY

    def _try(self, data: bytes) -> int:
        """Write as much as can be written now; how much that was. Raises OSError."""
        way = self._current_way()
        written = 0
        try:
            while written < len(data):
                written += way.write(data[written:])
        except BlockingIOError:
            pass
        if written:
            self._written = monotonic()
        return written

    def _current_way(self) -> _Way:
        # Somebody may have put another file in the place of the descriptor.
        found = os.fstat(self.descriptor)
        if self._way is None or not self._way.leads_to(found):
            if self._way is not None:
                self._way.close()
            self._way = _way(self.descriptor, found)
        return self._way

    def _run(self) -> None:
        """Write what waits, until nothing does."""
        while True:
            with self._changed:
                if not self._waiting and self._lost:
                    self._waiting += self._lost.note()
                if not self._waiting:
                    self._thread = None
                    return
                piece = bytes(self._waiting[:_PIECE])
            try:
                written = self._wait_and_write(piece)
            except OSError as error:
                with self._changed:
                    self._error = error
                    self._waiting.clear()
                    self._changed.notify_all()
                continue
            with self._changed:
                del self._waiting[:written]
                self._changed.notify_all()

    def _wait_and_write(self, piece: bytes) -> int:
        with self._changed:
            if not self._waiting:  # It was closed.
                return 0
            way = self._current_way()
        if not way.blocks:
            poll = select.poll()
            poll.register(way.descriptor, select.POLLOUT)
            poll.poll(_LOOK * 1000)
            with self._changed:
                return self._try(piece) if self._waiting else 0
        # The one way there is, and this thread is here to wait.
        written = os.write(way.descriptor, piece)
        self._written = monotonic()
        return written

    def _begin_anew(self) -> None:
        """In a forked child: what waits is the parent's to write, and so is its thread."""
        self._changed = threading.Condition(threading.RLock())
        self._waiting, self._thread = bytearray(), None
        self._lost.forget()


class Dropped:
    """That something was dropped, where nobody needs to be told."""

    whole = True
    """Whether what was given at once is dropped as a whole, or not at all."""

    def __init__(self) -> None:
        self._bytes = 0

    def __bool__(self) -> bool:
        return self._bytes > 0

    def add(self, data: bytes) -> None:
        """``data`` is dropped."""
        self._bytes += len(data)

    def note(self) -> bytes:
        """What to write in the place of what was dropped since the last time."""
        self._bytes = 0
        return b""

    def continued(self, data: bytes) -> bytes:
        """``data`` without what makes no sense behind what was dropped."""
        return data

    def forget(self) -> None:
        """Begin anew."""
        self._bytes = 0


class DroppedLines(Dropped):
    """What was dropped, in lines: a note says how many."""

    whole = False

    def __init__(self) -> None:
        super().__init__()
        self._lines = 0
        self._in_line = False

    def add(self, data: bytes) -> None:
        """See ``Dropped``."""
        self._lines += data.count(b"\n")
        self._bytes += len(data)
        self._in_line = not data.endswith(b"\n")

    def note(self) -> bytes:
        """See ``Dropped``; on a line of its own."""
        lines = self._lines + self._in_line
        text = f"flash: {lines:,} lines, {self._bytes:,} bytes, are missing here"
        self._lines = self._bytes = 0
        return f"\n{text}: nobody read this output\n".encode()

    def forget(self) -> None:
        """See ``Dropped``."""
        super().forget()
        self._lines, self._in_line = 0, False

    def continued(self, data: bytes) -> bytes:
        """See ``Dropped``: without the end of a line whose beginning was dropped."""
        if not self._in_line or not data:
            return data
        rest, end, after = data.partition(b"\n")
        if self:
            self.add(rest + end)
        self._in_line = not end  # Else the last note has counted it.
        return after


class _Way:
    """How to write to one file. ``blocks``: it may wait, so it is for a thread alone."""

    def __init__(self, descriptor: int, found: os.stat_result, *, blocks: bool) -> None:
        self.descriptor = descriptor
        self.blocks = blocks
        self._identity = found.st_dev, found.st_ino, found.st_rdev

    def leads_to(self, found: os.stat_result) -> bool:
        return self._identity == (found.st_dev, found.st_ino, found.st_rdev)

    def write(self, data: bytes) -> int:
        """Raises BlockingIOError where that has to wait, and OSError."""
        if self.blocks:
            raise BlockingIOError
        return os.write(self.descriptor, data)

    def close(self) -> None:
        """Let go of it."""


class _Reopened(_Way):
    """A pipe or a terminal, opened again: only so it can be made not to block for us alone."""

    def close(self) -> None:
        os.close(self.descriptor)


class _Socket(_Way):
    def write(self, data: bytes) -> int:
        import socket

        with socket.socket(fileno=os.dup(self.descriptor)) as there:
            return there.send(data, socket.MSG_DONTWAIT)


def _way(descriptor: int, found: os.stat_result) -> _Way:
    if stat.S_ISSOCK(found.st_mode):
        return _Socket(descriptor, found, blocks=False)
    if not stat.S_ISFIFO(found.st_mode) and not os.isatty(descriptor):
        return _Way(descriptor, found, blocks=False)  # A file, or a device that takes everything.
    if sys.platform == "linux":
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        with contextlib.suppress(OSError):  # Another user's terminal, or a system without /proc.
            return _Reopened(os.open(f"/proc/self/fd/{descriptor}", flags), found, blocks=False)
    return _Way(descriptor, found, blocks=True)


class _Raw(io.RawIOBase):
    """A stream's lowest layer over a writer."""

    def __init__(self, writer: Writer, name: object) -> None:
        self._writer = writer
        self._lost = False
        self.name = name
        self.mode = "wb"

    def lose(self) -> None:
        """Nobody reads at the end, and Python, which writes once more, would exit with 120."""
        self._lost = True

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._writer.descriptor

    def isatty(self) -> bool:
        return os.isatty(self._writer.descriptor)

    def write(self, data: ReadableBuffer, /) -> int:
        if not self._lost:
            self._writer.write(bytes(data))
        return len(memoryview(data).cast("B"))


def unblock_standard_streams() -> None:
    """From now on nothing that is written to ``sys.stdout`` and ``sys.stderr`` waits.

    What waits at the process's end is written as long as somebody reads it. A stream that somebody
    has put in the place of the process's own, such as a test that captures it, is left alone.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and stream is getattr(sys, f"__{name}__"):
            setattr(sys, name, _unblocked(stream))
            setattr(sys, f"__{name}__", getattr(sys, name))


def _unblocked(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    writer = Writer(stream.fileno())
    raw: Any = _Raw(writer, stream.name)
    made = io.TextIOWrapper(
        # As Python's own: as a terminal's, standard error's lines are complete at once.
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )

    def at_exit() -> None:
        try:
            made.flush()
            writer.flush(_AT_EXIT, _AT_EXIT_PAUSE)
        except (OSError, ValueError):  # Nobody reads, or it was closed.
            raw.lose()

    stream.flush()
    atexit.register(at_exit)
    return made
