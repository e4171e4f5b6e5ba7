"""The screen with which ``flash run`` begins: what runs where."""

from __future__ import annotations

from collections.abc import Iterator

import click

from pytest_flash.events import Serving

from .activity import Board
from .line_layout import columns, label

_LAZY = "lazy: made by its first call; --auto-provision makes it before serving"


def start_screen(event: Serving, board: Board) -> Iterator[str]:
    """Endpoints with hardware, functions and state, and every address there is."""
    rows = [
        (
            endpoint.name,
            endpoint.hardware,
            ", ".join(function.name for function in endpoint.functions),
            board.state(endpoint),
        )
        for endpoint in event.endpoints
    ]
    for line in columns(rows) if rows else ():
        yield f"{label('endpoint')} {line}"
    if any(state == "lazy" for *_, state in rows):
        yield f"{label('')} {click.style(_LAZY, dim=True)}"
    if not rows:
        yield f"{label('endpoint')} none: the app has no remote functions"
    reload = "on: a save brings up the new code" if event.reload else "off"
    yield f"{label('reload')} {reload}"
    yield f"{label('app')} {event.app} at {click.style(event.url, fg='green', bold=True)}"
    yield f"{label('docs')} {event.url}/docs"
    if event.console is not None:
        yield f"{label('console')} {event.console}"
    yield f"{label('')} Press Ctrl-C to stop"
