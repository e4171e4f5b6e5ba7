"""Programs that are forked from a process which has imported what they need: pytest, and others."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from tests.support.environment import ROOT, clean_environment
from tests.support.system.processes import Process, descendants

_PROGRAM = Path(__file__).parent / "forkserver.py"
_DEADLINE = 120.0
_LONGEST = 3600.0


class Run(Protocol):
    """A process of a program, as ``subprocess.Popen`` is one."""

    @property
    def pid(self) -> int:
        """The process, which is the leader of its session."""

    def poll(self) -> int | None:
        """The exit code, None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended. Raises subprocess.TimeoutExpired."""

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless it has ended."""

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended."""


class Forks:
    """The server of one interpreter for one module, started by the first run."""

    def __init__(self, python: str, module: str = "pytest") -> None:
        self._python = python
        self._module = module
        self._server: subprocess.Popen[bytes] | None = None
        self._orders: socket.socket | None = None
        self._started: set[int] = set()
        self._codes: dict[int, int] = {}

    def start(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        output: IO[bytes],
        errors: IO[bytes],
        stdin: IO[bytes] | None = None,
        nursery: bool = False,
    ) -> Run:
        """Start the module with ``arguments``, in a session of its own.

        Without ``stdin`` it reads nothing. With ``nursery`` its workers are forked as well.
        """
        orders = self._connection()
        order = {
            "arguments": list(arguments),
            "cwd": str(cwd),
            "env": dict(env),
            "nursery": nursery,
        }
        with Path(os.devnull).open("rb") as nothing:
            streams = [each.fileno() for each in (stdin or nothing, output, errors)]
            socket.send_fds(orders, [json.dumps(order).encode()], streams)
        deadline = time.monotonic() + _DEADLINE
        while (started := self._receive(_until(deadline))) is None:
            assert time.monotonic() < deadline, "the fork server does not answer"
        self._started.add(started)
        return _Forked(started, self)

    def close(self) -> None:
        """End the server, and every run that has not ended."""
        if self._orders is not None and self._server is not None:
            self._orders.close()
            self._server.wait(_DEADLINE)

    def left(self) -> set[Process]:
        """What runs that have ended have left behind."""
        if self._server is None:
            return set()
        running = {each for pid in self._running() for each in descendants(pid)}
        return {
            each
            for each in descendants(self._server.pid) - running
            if each.pid != self._server.pid and each.is_alive()
        }

    def code(self, pid: int, timeout: float) -> int | None:
        """The exit code of a run, waited for; None if it has not ended by then."""
        deadline = time.monotonic() + timeout
        while pid not in self._codes:
            self._receive(_until(deadline))
            if time.monotonic() >= deadline:
                break
        return self._codes.get(pid)

    def _running(self) -> set[int]:
        return {pid for pid in self._started if self.code(pid, 0) is None}

    def _connection(self) -> socket.socket:
        if self._orders is None:
            self._orders, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with other:
                self._server = subprocess.Popen(
                    [self._python, str(_PROGRAM), str(other.fileno()), self._module],
                    cwd=ROOT,
                    env=clean_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[other.fileno()],
                    start_new_session=True,
                )
        return self._orders

    def _receive(self, timeout: float) -> int | None:
        """Take a message, if one comes in time: the process id of a run that has begun."""
        orders = self._connection()
        if not select.select([orders], [], [], timeout)[0]:
            return None
        message = orders.recv(1024)
        if not message:
            raise RuntimeError("the fork server has ended; what it printed stands above")
        said = json.loads(message)
        if "code" not in said:
            return int(said["pid"])
        self._codes[said["pid"]] = said["code"]
        return None


@dataclass(frozen=True)
class _Forked:
    pid: int
    _forks: Forks

    def poll(self) -> int | None:
        return self._forks.code(self.pid, 0)

    def wait(self, timeout: float | None = None) -> int:
        limit = _LONGEST if timeout is None else timeout
        code = self._forks.code(self.pid, limit)
        if code is None:
            raise subprocess.TimeoutExpired("a run", limit)
        return code

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _until(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
