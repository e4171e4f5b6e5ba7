"""What the core reports, as it appears on a terminal."""

from __future__ import annotations

from pytest_flash.events import Event

from .activity import Board
from .event_lines import lines, matters
from .output import Output
from .spinner import Spinner


class Terminal:
    """Prints events as they come, and a moving line for what takes long.

    ``quiet`` leaves out what goes as it should. Safe to use from any thread.
    """

    def __init__(self, output: Output | None = None, *, quiet: bool = False) -> None:
        self._output = output or Output()
        self._quiet = quiet
        self._board = Board()
        self._spinner = Spinner(self._output, lambda: self._board.longest)

    def show(self, event: Event) -> None:
        """Print one event."""
        self._board.update(event)
        if not self._quiet:
            self._spinner.notice()
        if not self._quiet or matters(event, self._board):
            self._output.lines(lines(event, self._board))

    def ask(self, question: str) -> bool:
        """Put a yes-or-no question to the person at the terminal; no without one."""
        return self._output.ask(question)
