"""One worker's process group: started, watched, ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path

from ...clock import monotonic
from ...functions.onworker.log_marks import unmarked
from ...process.exit_status import await_end

_LOG_PIECE = 1 << 11
_LOG_SECONDS = 0.002
_PIPE_SIZE = 1 << 16  # pipe(7): what is in it when the worker has ended
_LINE_KEPT_BYTES = 1 << 16
_LOG_KEPT_BYTES = 1 << 18

# proc(5), /proc/[pid]/stat: fields 3, 9 and 31, counted from the one after the name; and of the
# flags the kernel's PF_EXITING and PF_SIGNALED.
_STATE, _FLAGS, _PENDING = 0, 6, 28
_DYING = 0x4 | 0x400
_KILLED = 1 << (signal.SIGKILL - 1)
_STAT_SIZE = 2048


class WorkerProcess:
    """A worker's process group, its lifeline and its log.

    Made by ``spawn``; from ``watch`` on it belongs to one event loop.
    """

    def __init__(self, process: subprocess.Popen[bytes], lifeline: int, log: int) -> None:
        self._process = process
        self._lifeline = lifeline
        self._log = log
        self._stat = _open_stat(process.pid)
        self._tail = LogTail()
        self._gone = False

    @property
    def pid(self) -> int:
        """The id of the process and of its group."""
        return self._process.pid

    def watch(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        exited: Callable[[int], None],
        printed: Callable[[str], None],
    ) -> None:
        """Call ``exited`` with the return code once the process has ended, its whole group been
        killed and its log read; ``printed`` with each line that it prints meanwhile."""
        os.set_blocking(self._log, False)
        loop.add_reader(self._log, self._read_log, loop, printed)

        def ended() -> None:
            code = self._end(loop, printed)
            exited(code)

        _on_exit(loop, self._process, ended)

    def is_alive(self) -> bool:
        """Whether the process runs and will go on running, asked of the system where it can tell.

        The event loop learns of a death a little late, and a process that has been sent SIGKILL
        dies a little late: a job given to it meanwhile would be lost.
        """
        if self._gone or self._stat is None:
            return not self._gone
        try:
            stat = os.pread(self._stat, _STAT_SIZE, 0)
        except ProcessLookupError:
            return False
        fields = stat.rpartition(b")")[2].split()
        dying = int(fields[_FLAGS]) & _DYING or int(fields[_PENDING]) & _KILLED
        return fields[_STATE] not in b"ZX" and not dying

    def terminate(self) -> None:
        """Ask the process to end, once it has finished what it is doing."""
        self._signal(lambda: os.kill(self.pid, signal.SIGTERM))

    def kill(self) -> None:
        """End the whole group at once."""
        self._signal(lambda: os.killpg(self.pid, signal.SIGKILL))

    def last_lines(self, count: int) -> list[str]:
        """The end of what the process printed."""
        return self._tail.lines(count)

    def _signal(self, send: Callable[[], None]) -> None:
        if not self._gone:
            # Gone in this instant, or (macOS) a group of nothing but zombies.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                send()

    def _end(self, loop: asyncio.AbstractEventLoop, printed: Callable[[str], None]) -> int:
        self.kill()  # what the worker left running; before its id can be used again
        code = self._process.wait()
        self._gone = True
        if self._log >= 0:
            self._read_rest(loop, printed)
        self._close_log(loop)
        if rest := self._tail.rest():
            printed(rest)
        os.close(self._lifeline)
        if self._stat is not None:
            os.close(self._stat)
        return code

    def _read_log(self, loop: asyncio.AbstractEventLoop, printed: Callable[[str], None]) -> None:
        # Not all there is: a worker that prints without end would have the event loop to itself.
        until = monotonic() + _LOG_SECONDS
        while self._read_piece(loop, printed) and monotonic() < until:
            pass

    def _read_piece(self, loop: asyncio.AbstractEventLoop, printed: Callable[[str], None]) -> bool:
        """Read some of the log; returns whether there may be more."""
        try:
            piece = os.read(self._log, _LOG_PIECE)
        except BlockingIOError:
            return False
        if not piece:
            self._close_log(loop)
            return False
        for line in self._tail.add(piece):
            printed(line)
        return len(piece) == _LOG_PIECE

    def _read_rest(self, loop: asyncio.AbstractEventLoop, printed: Callable[[str], None]) -> None:
        for _ in range(_PIPE_SIZE // _LOG_PIECE):  # what left the group may print without end
            if not self._read_piece(loop, printed):
                return

    def _close_log(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._log >= 0:
            loop.remove_reader(self._log)
            os.close(self._log)
            self._log = -1


class LogTail:
    """The last of what a worker printed."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._begun = b""

    def add(self, chunk: bytes) -> list[str]:
        """Append ``chunk``, let go of what is too old, and return the lines it completes."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        while self._size > _LOG_KEPT_BYTES and len(self._chunks) > 1:
            self._size -= len(self._chunks.popleft())
        *lines, begun = (self._begun + chunk).split(b"\n")
        self._begun = begun[-_LINE_KEPT_BYTES:]  # a line without end is kept short
        return [line.decode("utf-8", errors="replace") for line in lines]

    def rest(self) -> str:
        """A last line without an end."""
        return self._begun.decode("utf-8", errors="replace")

    def lines(self, count: int) -> list[str]:
        """The last ``count`` lines, as people should see them."""
        text = b"".join(self._chunks).decode("utf-8", errors="replace")
        # First those of the log: what else ends a line for people may stand within a mark.
        whole = reversed(text.removesuffix("\n").split("\n") if text else [])
        lines = (line for line in map(unmarked, whole) if line is not None)
        shown = (part for line in lines for part in reversed(line.splitlines() or [""]))
        return [*islice(shown, count)][::-1]


def spawn(argv: Sequence[str], env: Mapping[str, str], folder: Path) -> WorkerProcess:
    """Start a worker in a session of its own, in ``folder``. Blocks for the fork and the exec.

    Its stdin is the lifeline: a pipe that is closed when this process ends, however it ends.
    Raises OSError.
    """
    lifeline_read, lifeline = os.pipe()
    log, log_write = os.pipe()
    try:
        process = subprocess.Popen(
            argv,
            env=env,
            cwd=folder,
            stdin=lifeline_read,
            stdout=log_write,
            stderr=log_write,
            start_new_session=True,
        )
    except BaseException:
        os.close(lifeline)
        os.close(log)
        raise
    finally:
        os.close(lifeline_read)
        os.close(log_write)
    return WorkerProcess(process, lifeline, log)


def _open_stat(pid: int) -> int | None:
    """A descriptor that tells the state of a process again and again; None without /proc."""
    if sys.platform != "linux":
        return None
    try:
        return os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError:
        return None


def _on_exit(
    loop: asyncio.AbstractEventLoop, process: subprocess.Popen[bytes], ended: Callable[[], None]
) -> None:
    """Call ``ended`` in ``loop`` when ``process`` has ended; on Linux before it is reaped."""
    handle = _open_pidfd(process.pid)
    if handle is not None:
        loop.add_reader(handle, _pidfd_ready, loop, handle, ended)
        return

    def wait() -> None:
        await_end(process)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is interested
            loop.call_soon_threadsafe(ended)

    threading.Thread(target=wait, daemon=True).start()


def _open_pidfd(pid: int) -> int | None:
    """A descriptor that can be read once the process has ended.

    None where the system, its sandbox or this build of Python has no such thing.
    """
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def _pidfd_ready(loop: asyncio.AbstractEventLoop, handle: int, ended: Callable[[], None]) -> None:
    loop.remove_reader(handle)
    os.close(handle)
    ended()
