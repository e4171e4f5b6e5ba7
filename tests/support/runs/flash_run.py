"""``flash run`` as a process in the background."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tests.support.environment import ROOT, clean_environment
from tests.support.system.processes import Process, descendants, wait_until

_PROGRAM = Path(__file__).parent / "flash_program.py"
# In the app's line, or the note of a first start with broken code.
_ADDRESS = re.compile(r"^ +(?:app \S+ at|note) (http://[^\s/]+)(?:$|(?= answers))", re.MULTILINE)
_GENERATION = re.compile(r"serving generation (\d+)$", re.MULTILINE)
# A note that a slow machine would add to what is printed.
_NEVER = 3600.0


class FlashRun:
    """A ``flash run`` in the background.

    ``timings`` are fields of ``Timings``; only where ``slow_start`` is among them is a slow start
    reported. Shared by tests, ``turn_page`` begins the output of each.
    """

    def __init__(
        self,
        *arguments: str,
        cwd: Path,
        env: dict[str, str],
        log: Path,
        closed_stdin: bool = False,
        terminal: bool = False,
        timings: Mapping[str, float] | None = None,
    ) -> None:
        self.log = log
        self._turned = 0
        waits = json.dumps({"slow_start": _NEVER, **(timings or {})})
        command = [sys.executable, str(_PROGRAM), waits, "run", *arguments]
        if closed_stdin:
            command = ["sh", "-c", 'exec "$@" <&-', "sh", *command]
        self._terminal = os.openpty() if terminal else None
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=cwd,
                env=env,
                stdin=self._terminal[1] if self._terminal else subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """Everything printed so far, on this page."""
        return self._written()[self._turned :]

    def turn_page(self) -> None:
        """Begin a new page: ``output`` is what is printed from here on."""
        self._turned = len(self._written())

    def _written(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def url(self) -> str:
        """Where the app answers, once the command said so."""
        wait_until(lambda: self._address() or self.has_ended, 60, "its address")
        address = self._address()
        assert address is not None, self._written()
        return address

    def _address(self) -> str | None:
        whole_lines = self._written().rpartition("\n")[0]
        found = _ADDRESS.search(whole_lines)
        return None if found is None else found[1]

    @property
    def has_ended(self) -> bool:
        """Whether the command has exited."""
        return self.process.poll() is not None

    def wait_for(self, text: str, timeout: float = 60) -> None:
        """Return once ``text`` was printed on this page."""
        wait_until(lambda: text in self.output or self.has_ended, timeout, repr(text))
        assert text in self.output, self.output

    def generation(self) -> int:
        """The newest generation that it has said to serve."""
        return max((int(each) for each in _GENERATION.findall(self._written())), default=1)

    def wait(self, timeout: float = 60) -> int:
        """The exit code, once it ended."""
        return self.process.wait(timeout)

    def type(self, text: str) -> None:
        """Have ``text`` typed at its terminal."""
        assert self._terminal is not None
        os.write(self._terminal[0], text.encode())

    def tree(self) -> set[Process]:
        """The command and every process below it."""
        return descendants(self.process.pid)

    def end(self) -> None:
        """Stop it if it still runs, and all it started."""
        tree = self.tree()
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        finally:
            for each in tree:
                if each.is_alive():
                    os.kill(each.pid, signal.SIGKILL)
            self.process.wait()
            for descriptor in self._terminal or ():
                os.close(descriptor)


class StartRun(Protocol):
    """Starts ``flash run``; on a free port unless one is given, or ``any_port`` is false.

    ``environment`` and ``variables`` are added to the environment of this process.
    """

    def __call__(
        self,
        *arguments: str,
        cwd: Path = ROOT,
        any_port: bool = True,
        closed_stdin: bool = False,
        terminal: bool = False,
        timings: Mapping[str, float] | None = None,
        environment: Mapping[str, str] | None = None,
        **variables: str,
    ) -> FlashRun: ...


@contextmanager
def starting(logs: Path) -> Iterator[StartRun]:
    """Start any number of ``flash run``; those that still run are stopped at the end."""
    running: list[FlashRun] = []

    def start(
        *arguments: str,
        cwd: Path = ROOT,
        any_port: bool = True,
        closed_stdin: bool = False,
        terminal: bool = False,
        timings: Mapping[str, float] | None = None,
        environment: Mapping[str, str] | None = None,
        **variables: str,
    ) -> FlashRun:
        if any_port and not any(each.startswith(("-p", "--port")) for each in arguments):
            arguments = (*arguments, "--port", "0")
        started = FlashRun(
            *arguments,
            cwd=cwd,
            env=clean_environment(**(environment or {}), **variables),
            log=logs / f"flash-run-{len(running)}.log",
            closed_stdin=closed_stdin,
            terminal=terminal,
            timings=timings,
        )
        running.append(started)
        return started

    try:
        yield start
    finally:
        with contextlib.ExitStack() as stack:
            for each in running:
                stack.callback(each.end)
