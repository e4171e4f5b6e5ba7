"""Starting and ending an emulator. Standard library only; cheap to import."""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

from ...clock import monotonic
from ...errors import EmulatorError
from ...process.child_environment import child_environment
from ...process.exit_status import await_end, ends_within, how_it_ended, is_stopped
from ...settings import API_KEY
from ..startup.announcement import KEY_VARIABLE, Announcement
from .reserved_address import ReservedAddress

_STOP_LIMIT = 3.0
_LAST_WORDS = 4000
_USERS_KEYS = (API_KEY, KEY_VARIABLE)


@dataclass(frozen=True)
class EmulatorProcess:
    """An emulator in a process of its own, which ends when this process does.

    It hangs on a pipe whose writing end is held here. A child made by ``os.fork`` without an
    exec holds it too: fork before starting an emulator, or close it in the child.
    """

    management_url: str
    queue_url: str
    api_key: str = field(repr=False)
    pid: int
    _process: subprocess.Popen[bytes] = field(repr=False, compare=False)
    _lifeline: IO[bytes] = field(repr=False, compare=False)
    _words: _LastWords = field(repr=False, compare=False)

    @classmethod
    def start(
        cls,
        project: Path,
        *,
        timeout: float = 20.0,
        log: Path | None = None,
        reserved: ReservedAddress | None = None,
    ) -> EmulatorProcess:
        """Start an emulator for ``project`` and wait, for up to ``timeout`` seconds, until it
        takes connections. It serves them a moment later, when it has imported the rest.

        ``log`` receives what the emulator and its workers print; without it only the emulator's
        own warnings are kept, for error messages. It serves at ``reserved``,
        or any free port. Raises EmulatorError with the last of them.
        """
        words = _LastWords(log)
        try:
            process, lifeline = _spawn(project, words.file, reserved, quiet=log is None)
            try:
                announcement = _announced(process, monotonic() + timeout)
            except BaseException:
                _end(process, lifeline)
                raise
        except (TimeoutError, ValueError) as error:
            words.close()
            raise EmulatorError(f"the emulator did not start: {error}{words}") from None
        except BaseException:
            words.close()
            raise
        return cls(
            management_url=announcement.management_url,
            queue_url=announcement.queue_url,
            api_key=announcement.api_key,
            pid=process.pid,
            _process=process,
            _lifeline=lifeline,
            _words=words,
        )

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def ended(self) -> EmulatorError | None:
        """None while the emulator runs, else an error, for the caller to raise, that says how it
        ended and with which last words. Never blocks; cheap enough for every failed request."""
        code = self._process.poll()
        if code is None:
            return None
        return EmulatorError(
            f"the emulator (process {self.pid}) {how_it_ended(code)}, and its endpoints, jobs and "
            f"volumes went with it; start again{self._words}"
        )

    def trouble(self) -> EmulatorError | None:
        """As ``ended``, and also an error while the process is stopped: it answers nothing then."""
        if (error := self.ended()) is not None or not is_stopped(self.pid):
            return error
        return EmulatorError(
            f"the emulator (process {self.pid}) is stopped, by SIGSTOP or a debugger, and answers "
            f"nothing until it goes on: kill -CONT {self.pid}"
        )

    def wait(self) -> EmulatorError:
        """Block until the emulator has ended, also by ``stop``; returns what ``ended`` says then.

        For a daemon thread: any number of threads may wait, beside calls of the other methods.
        """
        await_end(self._process)
        self._process.wait()
        error = self.ended()
        assert error is not None
        return error

    def stop(self) -> None:
        """End the emulator with all its workers; within three seconds, or by force."""
        _end(self._process, self._lifeline)
        self._words.close()

    def __enter__(self) -> EmulatorProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


class _LastWords:
    """Where an emulator's stderr goes, and as text the end of it, ready to end a message.

    Of a log that was asked for it gives the name; else it keeps a file without one. Thread-safe.
    """

    def __init__(self, log: Path | None) -> None:
        self._log = log
        self.file = tempfile.TemporaryFile() if log is None else log.open("ab")  # noqa: SIM115
        self._kept = ""
        self._lock = threading.Lock()

    def __str__(self) -> str:
        if self._log is not None:
            return f" (see {self._log})"
        with self._lock:
            text = self._kept if self.file.closed else self._read()
        return f"; its last words:\n{text}" if text else ""

    def close(self) -> None:
        """Let go of the file; its last words stay. May be called again."""
        with self._lock:
            if not self.file.closed and self._log is None:
                self._kept = self._read()
            self.file.close()

    def _read(self) -> str:
        # The emulator writes at the position that this descriptor shares with it: never seek.
        size = os.fstat(self.file.fileno()).st_size
        tail = os.pread(self.file.fileno(), _LAST_WORDS, max(0, size - _LAST_WORDS))
        return tail.decode("utf-8", errors="replace").strip()


def _spawn(
    project: Path, errors: IO[bytes], reserved: ReservedAddress | None, *, quiet: bool
) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    lifeline_end, lifeline = os.pipe()
    # Through a pipe: other processes can read an environment, and everybody arguments.
    key = secrets.token_urlsafe(32) if reserved is None else reserved.announcement.api_key
    key_end = _holding(key)
    passed = [lifeline_end, key_end]
    command = [sys.executable, "-m", __package__.rpartition(".")[0], "--json"]
    command += ["--project", str(project.resolve()), "--lifeline-fd", str(lifeline_end)]
    command += ["--key-fd", str(key_end)]
    command += ["--quiet"] if quiet else []
    if reserved is not None:
        passed.append(reserved.listener.fileno())
        command += ["--listener-fd", str(reserved.listener.fileno())]
    # Keys of the user's own are none of this emulator's business.
    kept = child_environment(_USERS_KEYS)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=kept,
            # With -m the working directory heads sys.path: not one with modules of the user's.
            cwd=os.sep,
            pass_fds=passed,
            start_new_session=True,
        )
    except BaseException:
        os.close(lifeline)
        raise
    finally:
        os.close(lifeline_end)
        os.close(key_end)
    return process, os.fdopen(lifeline, "wb", buffering=0)


def _holding(text: str) -> int:
    """A pipe's end from which a short text can be read, and then the end."""
    reader, writer = os.pipe()
    os.write(writer, text.encode())
    os.close(writer)
    return reader


def _announced(process: subprocess.Popen[bytes], deadline: float) -> Announcement:
    """The first line of the emulator's stdout. Raises TimeoutError or ValueError."""
    assert process.stdout is not None
    with process.stdout as stdout:
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([stdout], [], [], max(0.0, deadline - monotonic()))
            if not ready:
                raise TimeoutError("it did not announce itself in time")
            chunk = os.read(stdout.fileno(), 65536)
            if not chunk:
                raise ValueError("it ended before it could be reached")
            line += chunk
    return Announcement.from_json(line.decode("utf-8", errors="replace"))


def _end(process: subprocess.Popen[bytes], lifeline: IO[bytes]) -> None:
    lifeline.close()
    if not ends_within(process, 0 if is_stopped(process.pid) else _STOP_LIMIT):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
