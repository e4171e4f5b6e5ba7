"""The ``flash`` command in this process, for what ends without serving."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from flash_cli.commands import run_command_line
from tests.support.environment import ROOT, clean_environment

# Seconds.
_LIMIT = 120


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, and everything that it and its processes printed."""

    code: int
    output: str
    errors: str


class RunCommand(Protocol):
    """Runs ``flash ARGUMENTS`` in ``cwd`` to its end, without a terminal."""

    def __call__(self, *arguments: str, cwd: Path = ROOT, **variables: str) -> Ended: ...


@contextmanager
def _deadline(arguments: tuple[str, ...]) -> Iterator[None]:
    """Fail the test when the command has not ended in time: it may serve, against all hopes."""

    def expired(*_: object) -> None:
        pytest.fail(f"flash {' '.join(arguments)}: not ended within {_LIMIT} s")

    earlier = signal.signal(signal.SIGALRM, expired)
    signal.alarm(_LIMIT)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, earlier)


def command_runner(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> RunCommand:
    """Run commands in this process; folder, environment and standard input are restored."""

    def run(*arguments: str, cwd: Path = ROOT, **variables: str) -> Ended:
        environment = clean_environment(**variables)
        with monkeypatch.context() as patched:
            patched.chdir(cwd)
            patched.setattr("sys.stdin", io.StringIO())
            for name in set(os.environ) - set(environment):
                patched.delenv(name)
            for name, value in environment.items():
                patched.setenv(name, value)
            capfd.readouterr()
            with _deadline(arguments), pytest.raises(SystemExit) as ended:
                run_command_line(arguments)
        printed = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, printed.out, printed.err)

    return run
