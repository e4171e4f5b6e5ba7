"""What the core reports, as it appears on a terminal."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from pytest_flash.events import Event, Planned

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


class PlanAsJson(Terminal):
    """Prints the plan as one JSON object, and everything else to standard error."""

    def __init__(self) -> None:
        super().__init__(Output(sys.stderr))
        self._plan = Output(sys.stdout)

    def show(self, event: Event) -> None:
        """Print one event."""
        if isinstance(event, Planned):
            self._plan.lines([json.dumps(asdict(event), indent=2)])
        else:
            super().show(event)
