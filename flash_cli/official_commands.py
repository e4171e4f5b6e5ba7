"""Commands of the official SDK's ``flash`` that ours has not."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from importlib.metadata import Distribution

COMMANDS = {
    "app": "manages apps that are deployed",
    "build": "packs an app for its deployment",
    "deploy": "deploys an app to Runpod",
    "dev": "is what flash run is called there",
    "env": "manages environments of deployed apps",
    "init": "makes a new project",
    "login": "stores an API key",
    "update": "updates it",
}
"""The commands of runpod-flash 1.1 to 1.21, and what each does."""

_DISTRIBUTIONS = ("runpod-flash", "tetra-rp")
_START = (
    "import sys; sys.argv[0] = 'flash'; sys.path[:] = [p for p in sys.path if p]; "
    "from {module} import {attribute}; sys.exit({attribute}())"
)


class Commands(click.Group):
    """Our commands; those of the official SDK are handed to it."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click asks."""
        name = args[0]
        if name not in self.commands:
            if name in COMMANDS:
                _hand_over(args)
            from difflib import get_close_matches  # Every other command would pay for it.

            near = get_close_matches(name, [*self.commands, *COMMANDS], n=1)
            if near and near[0] in COMMANDS:  # click, which knows ours alone, would say another
                raise click.UsageError(
                    f"No such command {name!r}. Did you mean {near[0]!r}, "
                    "a command of runpod-flash, the official SDK?",
                    ctx,
                )
        return super().resolve_command(ctx, args)


def _hand_over(arguments: Sequence[str]) -> NoReturn:
    """Become the official command. Raises UsageError where it is not installed."""
    name = arguments[0]
    official = _installed()
    start = _start_of(official) if official is not None else None
    if official is None or start is None:
        advice = "use flash run" if name == "dev" else "pip install runpod-flash for it"
        raise click.UsageError(
            f"{name!r} is a command of runpod-flash, the official SDK, which is not installed "
            f"here: it {COMMANDS[name]}. pytest-flash serves and tests apps and has no such "
            f"command; {advice}"
        )
    said = f"{name!r} is a command of {official.metadata['Name']} {official.version}, which runs it"
    click.echo(f"flash: {said}", err=True)
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-c", start, *arguments])


def _installed() -> Distribution | None:
    # 20 ms, which flash --help and every command would pay for.
    from importlib.metadata import PackageNotFoundError, distribution

    for name in _DISTRIBUTIONS:
        try:
            return distribution(name)
        except PackageNotFoundError:
            continue
    return None


def _start_of(official: Distribution) -> str | None:
    """The program that its command ``flash`` is, whoever's file has that name."""
    for each in official.entry_points:
        if each.group == "console_scripts" and each.name == "flash":
            return _START.format(module=each.module, attribute=each.attr)
    return None
