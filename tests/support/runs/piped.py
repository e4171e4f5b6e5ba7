"""Forked programs that are talked to through pipes, as ``subprocess.Popen`` does."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Protocol

from tests.support.pytest_runs.forks import Forks, Run


class Program(Protocol):
    """What ``Piped`` and ``subprocess.Popen[str]`` have in common."""

    @property
    def stdin(self) -> IO[str] | None:
        """Where its input is written."""

    @property
    def stdout(self) -> IO[str] | None:
        """What it prints."""

    @property
    def returncode(self) -> int | None:
        """The exit code, once it was waited for."""

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended. Raises subprocess.TimeoutExpired."""

    def communicate(
        self, input: str | None = None, timeout: float | None = None
    ) -> tuple[str, Any]:
        """Close its input and wait for its end; the first is what else it has printed."""

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless it has ended."""

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended."""


class Piped:
    """A program that was forked. It prints less than a pipe holds; errors count as printed."""

    def __init__(self, forks: Forks, *, cwd: Path, env: Mapping[str, str]) -> None:
        given, to_it = os.pipe()
        from_it, printed = os.pipe()
        self.stdin: IO[str] | None = os.fdopen(to_it, "w")
        self.stdout: IO[str] | None = os.fdopen(from_it)
        self.returncode: int | None = None
        with os.fdopen(given, "rb") as stdin, os.fdopen(printed, "wb") as output:
            self._run: Run = forks.start(
                (), cwd=cwd, env=env, output=output, errors=output, stdin=stdin
            )

    def wait(self, timeout: float | None = None) -> int:
        """As ``Program`` says."""
        self.returncode = self._run.wait(timeout)
        return self.returncode

    def communicate(
        self, input: str | None = None, timeout: float | None = None
    ) -> tuple[str, Any]:
        """As ``Program`` says."""
        assert self.stdin is not None
        assert self.stdout is not None
        if self.stdout.closed:
            return "", None
        with contextlib.suppress(BrokenPipeError), self.stdin:
            self.stdin.write(input or "")
        self.wait(timeout)
        with self.stdout:
            return self.stdout.read(), None

    def send_signal(self, sig: int) -> None:
        """As ``Program`` says."""
        self._run.send_signal(sig)

    def kill(self) -> None:
        """As ``Program`` says."""
        self.send_signal(signal.SIGKILL)
