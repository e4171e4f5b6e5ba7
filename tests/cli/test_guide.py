"""The guide to ``flash run``: its session, played anew, and the options that it lists."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import click

from flash_cli.commands import cli
from tests.support.environment import ROOT
from tests.support.flash_run import FlashRun
from tests.support.session import comparable, play

GUIDE = (ROOT / "docs" / "flash-run.md").read_text()


def test_the_session_is_what_the_command_prints_today(
    flash_run: Callable[..., FlashRun], tmp_path: Path
) -> None:
    played = list(play(GUIDE, tmp_path / "quickstart", flash_run))
    assert len(played) > 8
    for block, printed in played:
        assert comparable(printed) == comparable(block.output), (
            f"{block.command}: write it anew by python -m tests.support.session docs/flash-run.md"
        )


def test_every_option_is_in_the_guide() -> None:
    run = cli.commands["run"]
    names = {
        name
        for option in run.params
        if isinstance(option, click.Option)
        for name in (*option.opts, *option.secondary_opts)
        if name.startswith("--")
    }
    told = set(re.findall(r"`(--[a-z-]+)", GUIDE))
    assert names - told == set()
    assert told - names == set()
