"""Writing to the terminal: colours where they are wanted, and questions."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterable
from io import TextIOWrapper
from queue import SimpleQueue
from typing import TextIO

import click


class Output:
    """Lines on a stream, standard output by default. Safe to use from any thread.

    Without a terminal, and where ``NO_COLOR`` is set (no-color.org), nothing is coloured. A
    ``status`` is one more line at the bottom, which lines push down; only a terminal has it.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        self.is_terminal = _is_terminal(self._stream)
        self._color = colored()
        self._status = ""
        self._asked: SimpleQueue[bool] | None = None
        self._lock = threading.Lock()
        if isinstance(self._stream, TextIOWrapper):
            # What a worker prints may hold any character; a terminal may not know them all.
            self._stream.reconfigure(errors="replace")

    def lines(self, lines: Iterable[str]) -> None:
        """Write lines above the status."""
        text = "".join(f"{line}\n" for line in lines)
        if text:
            with self._lock:
                self._write(f"{self._erased()}{text}{self._status}")

    def status(self, text: str) -> None:
        """Replace the status; an empty text takes it away."""
        if not self.is_terminal:
            return
        with self._lock:
            erased = self._erased()
            # Other processes write here too: the cursor waits where their line begins.
            self._status = f"{text}\r" if text else ""
            if erased or self._status:
                self._write(f"{erased}{self._status}")

    def ask(self, question: str) -> bool:
        """Put a question to the person at the terminal; without one it is answered no.

        One that is put while another waits takes its place, which is answered no.
        """
        if sys.stdin is None or not sys.stdin.isatty():
            self.lines([f"{question} (there is no terminal to answer on)"])
            return False
        answer: SimpleQueue[bool] = SimpleQueue()
        with self._lock:
            self._write(f"{self._erased()}{question} [y/N] ")
            self._status = ""
            earlier, self._asked = self._asked, answer
        if earlier is not None:
            earlier.put(False)  # Its thread reads what is typed, for whoever asked last.
            return answer.get()
        agreed = _read_agreement(sys.stdin.fileno())
        with self._lock:
            latest, self._asked = self._asked, None
        assert latest is not None
        latest.put(agreed)
        return answer.get()

    def _erased(self) -> str:
        return "\r\x1b[K" if self._status else ""

    def _write(self, text: str) -> None:
        # Whoever read this is gone, with the terminal perhaps: that ends nothing else.
        with contextlib.suppress(OSError):
            click.echo(text, file=self._stream, nl=False, color=self._color)
            self._stream.flush()


def _read_agreement(descriptor: int) -> bool:
    # Not through sys.stdin: a thread that waits in it makes the interpreter abort at its end.
    try:
        return os.read(descriptor, 1024).strip().lower() in (b"y", b"yes")
    except OSError:
        return False  # The terminal is gone.


def colored() -> bool | None:
    """What click is told: no colours with ``NO_COLOR``, else colours on terminals alone."""
    return False if os.environ.get("NO_COLOR") else None


def _is_terminal(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"
