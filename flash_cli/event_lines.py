"""Events as lines of text. Pure: what was said before comes in as a board."""

from __future__ import annotations

from collections.abc import Iterator

import click

from pytest_flash import events
from pytest_flash.events import Event

from .activity import Board
from .line_layout import columns, duration, label
from .start_screen import start_screen

_RUNS_ON = {
    "live": "Runpod, which costs money",
    "emulator": "the embedded Runpod: worker processes on this machine, no cost",
    "in_process": "the app's own process, for debuggers: no workers, no cost",
}
_STATE_COLORS = {"COMPLETED": "green", "CANCELLED": "yellow", "TIMED_OUT": "yellow"}


def lines(event: Event, board: Board) -> Iterator[str]:
    """What to print of ``event``, which ``board`` knows already."""
    if isinstance(event, events.JobNamed):
        return
    if isinstance(event, events.JobOutput):
        yield from _output(event)
    elif isinstance(event, events.JobEnded):
        yield from _job(event)
    elif isinstance(event, events.Serving):
        yield from _serving(event, board)
    elif isinstance(event, events.Planned):
        rows = [("ENDPOINT", "ACTION", "HARDWARE", "DETAIL")]
        rows += [(step.endpoint, step.action, step.hardware, step.detail) for step in event.steps]
        yield from columns(rows)
    else:
        yield from _told(event)


def matters(event: Event, board: Board) -> bool:
    """Whether ``--quiet`` prints ``event`` all the same: what went wrong, and where the app is."""
    if isinstance(event, events.JobEnded):
        return event.state != "COMPLETED"
    if isinstance(event, events.Serving):
        return board.begins
    return isinstance(
        event,
        events.AppBroken
        | events.ServerEnded
        | events.PortTaken
        | events.Notice
        | events.Planned
        | events.TargetChosen,
    )


def _told(event: Event) -> Iterator[str]:
    if isinstance(event, events.TargetChosen):
        yield f"{label('target')} {_RUNS_ON[event.kind]} ({event.reason})"
        yield f"{label('')} {click.style(event.remedy, dim=True)}"
    elif isinstance(event, events.EndpointPending | events.EndpointReady | events.EndpointRemoved):
        yield f"{label('endpoint')} {event.text}"
    elif isinstance(event, events.AppBroken):
        yield click.style(event.text, fg="red")
    elif isinstance(event, events.Reloading):
        yield f"{label('reload')} {_shortened(event.files)}"
    elif isinstance(event, events.ServerEnded):
        yield click.style(f"the app's process ended with exit code {event.code}", fg="red")
    elif isinstance(event, events.Notice):
        yield f"{label('note')} {event.text}"
    elif isinstance(event, events.PortTaken):
        text = f"port {event.wanted} is taken, so the app is on {event.used}"
        yield f"{label('port')} {click.style(text, fg='yellow', bold=True)}"


def _serving(event: events.Serving, board: Board) -> Iterator[str]:
    if board.begins:
        yield from start_screen(event, board)
    else:
        yield f"{label('serving')} generation {event.generation}"


def _job(event: events.JobEnded) -> Iterator[str]:
    words = [(event.state or "no answer").lower()]
    if event.worker_id is not None:
        words.append("cold" if event.cold else "warm")
    color = _STATE_COLORS.get(event.state or "", "red")
    parts = [click.style(" ".join(words), fg=color)]
    if event.delay_time is not None:
        parts.append(f"queue {duration(event.delay_time)}")
    if event.execution_time is not None:
        parts.append(f"run {duration(event.execution_time)}")
    name = f"{event.function} #{event.call}"
    yield f"{label('job')} {name} on {event.endpoint}: {', '.join(parts)}"
    if event.state != "COMPLETED" or event.error is not None:
        for line in (event.traceback or event.error or "").rstrip().splitlines():
            yield f"{label('')} {click.style(line, fg='red')}"


def _output(event: events.JobOutput) -> Iterator[str]:
    for line in event.lines:
        whose, bar, text = line.partition(" | ")
        yield f"{click.style(whose + bar.rstrip(), dim=True)} {text}"


def _shortened(files: tuple[str, ...]) -> str:
    shown = ", ".join(files[:3])
    return shown if len(files) <= 3 else f"{shown} and {len(files) - 3} more"
