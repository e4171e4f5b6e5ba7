"""What the core reports, as lines on the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import click

from pytest_flash import events

_RUNS_ON = {
    "live": "Runpod, which costs money",
    "emulator": "the embedded Runpod: worker processes on this machine, no cost",
}


def show(event: events.Event) -> None:
    """Print one event on standard output, without colours where that is no terminal."""
    for line in _lines(event):
        click.echo(line)
    sys.stdout.flush()


def ask(text: str) -> bool:
    """Put a question to the person at the terminal; without one it is shown, and answered no."""
    if sys.stdin is None or not sys.stdin.isatty():
        click.echo(f"{text} (there is no terminal to answer on)")
        return False
    click.echo(f"{text} [y/N] ", nl=False)
    # Not through sys.stdin: a thread that waits in it makes the interpreter abort at its end.
    return os.read(sys.stdin.fileno(), 1024).strip().lower() in (b"y", b"yes")


def _lines(event: events.Event) -> Iterator[str]:
    if isinstance(event, events.TargetChosen):
        yield f"{_label('target')} {_RUNS_ON[event.kind]} ({event.reason})"
        yield f"{_label('')} {click.style(event.remedy, dim=True)}"
    elif isinstance(event, events.EndpointPending):
        yield f"{_label('endpoint')} {event.name} {event.action}"
    elif isinstance(event, events.EndpointReady):
        yield f"{_label('endpoint')} {event.name} {event.action} in {event.seconds:.2f} s"
    elif isinstance(event, events.EndpointRemoved):
        yield f"{_label('endpoint')} {event.name} deleted"
    elif isinstance(event, events.Serving):
        yield from _serving(event)
    elif isinstance(event, events.AppBroken):
        yield click.style(event.text, fg="red")
    elif isinstance(event, events.Reloading):
        yield f"{_label('reload')} {_shortened(event.files)}"
    elif isinstance(event, events.ServerEnded):
        yield click.style(f"the app's process ended with exit code {event.code}", fg="red")
    elif isinstance(event, events.Planned):
        yield from _table(event)
    elif isinstance(event, events.Notice):
        yield f"{_label('note')} {event.text}"
    elif isinstance(event, events.PortTaken):
        text = f"port {event.wanted} is taken, so the app is on {event.used}"
        yield f"{_label('port')} {click.style(text, fg='yellow', bold=True)}"


def _serving(event: events.Serving) -> Iterator[str]:
    if event.generation > 1:
        yield f"{_label('serving')} generation {event.generation}"
        return
    for endpoint in event.endpoints:
        names = ", ".join(function.name for function in endpoint.functions)
        yield f"{_label('remote')} {names} on {endpoint.name} ({endpoint.hardware})"
    yield f"{_label('app')} {event.app} at {click.style(event.url, fg='green', bold=True)}"
    yield f"{_label('docs')} {event.url}/docs"


def _table(event: events.Planned) -> Iterator[str]:
    rows = [("ENDPOINT", "ACTION", "HARDWARE", "DETAIL")]
    rows += [(step.endpoint, step.action, step.hardware, step.detail) for step in event.steps]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for *cells, detail in rows:
        padded = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        yield f"{padded}  {detail}".rstrip()


def _label(text: str) -> str:
    return click.style(f"{text:>9}", fg="cyan")


def _shortened(files: tuple[str, ...]) -> str:
    shown = ", ".join(files[:3])
    return shown if len(files) <= 3 else f"{shown} and {len(files) - 3} more"
