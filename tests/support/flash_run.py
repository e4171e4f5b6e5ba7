"""``flash run`` as a process in the background."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from .processes import Process, descendants, wait_until


class FlashRun:
    """A ``flash run`` in the background."""

    def __init__(
        self,
        *arguments: str,
        cwd: Path,
        env: dict[str, str],
        log: Path,
        closed_stdin: bool = False,
        terminal: bool = False,
    ) -> None:
        self.log = log
        command = [sys.executable, "-m", "flash_cli", "run", *arguments]
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
        """Everything printed so far."""
        return self.log.read_text()

    @property
    def url(self) -> str:
        """Where the app answers, once the command said so."""
        self.wait_for(" at http://")
        return "http://" + self.output.partition(" at http://")[2].split()[0]

    def wait_for(self, text: str, timeout: float = 30) -> None:
        """Return once ``text`` was printed."""
        wait_until(
            lambda: text in self.output or self.process.poll() is not None, timeout, repr(text)
        )
        assert text in self.output, self.output

    def wait(self, timeout: float = 30) -> int:
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
            self.process.wait(10)
        finally:
            for each in tree:
                if each.is_alive():
                    os.kill(each.pid, signal.SIGKILL)
            for descriptor in self._terminal or ():
                os.close(descriptor)
