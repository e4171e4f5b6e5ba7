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
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

from ..errors import EmulatorError
from ..settings import API_KEY
from .announcement import Announcement

KEY_VARIABLE = "FLASH_EMULATOR_KEY"

_STOP_LIMIT = 3.0
_LAST_WORDS = 4000


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

    @classmethod
    def start(
        cls, project: Path, *, timeout: float = 20.0, log: Path | None = None
    ) -> EmulatorProcess:
        """Start an emulator for ``project`` and wait, for up to ``timeout`` seconds, until it
        serves.

        ``log`` receives what the emulator and its workers print; without it only the emulator's
        own warnings are kept, for error messages. Raises EmulatorError with the last of them.
        """
        # Kept under a name of its own: `with` would close it before the process has ended.
        errors = log.open("ab") if log is not None else tempfile.TemporaryFile()  # noqa: SIM115
        with errors:
            process, lifeline = _spawn(project, errors, quiet=log is None)
            try:
                announcement = _announced(process, time.monotonic() + timeout)
            except BaseException as error:
                _end(process, lifeline)
                if isinstance(error, TimeoutError | ValueError):
                    words = _last_words(errors, log)
                    raise EmulatorError(f"the emulator did not start: {error}{words}") from None
                raise
        return cls(
            management_url=announcement.management_url,
            queue_url=announcement.queue_url,
            api_key=announcement.api_key,
            pid=process.pid,
            _process=process,
            _lifeline=lifeline,
        )

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the emulator with all its workers; within three seconds, or by force."""
        _end(self._process, self._lifeline)

    def __enter__(self) -> EmulatorProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def _spawn(
    project: Path, errors: IO[bytes], *, quiet: bool
) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    lifeline_end, lifeline = os.pipe()
    command = [sys.executable, "-m", f"{__package__}", "--json"]
    command += ["--project", str(project.resolve()), "--lifeline-fd", str(lifeline_end)]
    command += ["--quiet"] if quiet else []
    # The user's own key is none of the emulator's business.
    environment = {name: value for name, value in os.environ.items() if name != API_KEY}
    environment[KEY_VARIABLE] = secrets.token_urlsafe(32)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            # With -m the working directory heads sys.path: not one with modules of the user's.
            cwd=os.sep,
            pass_fds=(lifeline_end,),
            start_new_session=True,
        )
    except BaseException:
        os.close(lifeline)
        raise
    finally:
        os.close(lifeline_end)
    return process, os.fdopen(lifeline, "wb", buffering=0)


def _announced(process: subprocess.Popen[bytes], deadline: float) -> Announcement:
    """The first line of the emulator's stdout. Raises TimeoutError or ValueError."""
    assert process.stdout is not None
    with process.stdout as stdout:
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError("it did not announce itself in time")
            chunk = os.read(stdout.fileno(), 65536)
            if not chunk:
                raise ValueError("it ended before it could be reached")
            line += chunk
    return Announcement.from_json(line.decode("utf-8", errors="replace"))


def _end(process: subprocess.Popen[bytes], lifeline: IO[bytes]) -> None:
    lifeline.close()
    try:
        process.wait(_STOP_LIMIT)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _last_words(errors: IO[bytes], log: Path | None) -> str:
    if log is not None:
        return f" (see {log})"
    size = errors.seek(0, os.SEEK_END)
    errors.seek(max(0, size - _LAST_WORDS))
    text = errors.read().decode("utf-8", errors="replace").strip()
    return f"; its last words:\n{text}" if text else ""
