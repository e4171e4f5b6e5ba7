"""The guide to ``flash run``: its session, played anew, and the options that it lists."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from flash_cli.commands import cli
from tests.support.environment import ROOT
from tests.support.runs.flash_run import StartRun
from tests.support.session import Session, blocks, comparable, play

GUIDE = (ROOT / "docs" / "flash-run.md").read_text()


def test_the_session_is_what_the_command_prints_today(flash_run: StartRun, tmp_path: Path) -> None:
    played = list(play(GUIDE, tmp_path / "quickstart", flash_run))
    assert len(played) > 8
    for block, printed in played:
        assert comparable(printed) == comparable(block.output), (
            f"{block.command}: write it anew by python -m tests.support.session docs/flash-run.md"
        )


@dataclass
class Printed:
    """A terminal on which stands what a file holds."""

    file: Path
    process: subprocess.Popen[bytes]
    url: str = "http://localhost:1"

    @property
    def output(self) -> str:
        return self.file.read_text()

    def wait(self) -> int:
        return self.process.wait()


SHORT_GUIDE = """\
```console
$ flash run
```
```console
$ cat lines >> ../screen
```
```text
first
second
```
```console
$ true
```
```text
third
```
"""


@pytest.mark.parametrize(
    ("early", "late"),
    [("first\nsecond\nthird\n", ""), ("fir", "st\nsecond\nthird\n")],
    ids=["fast", "slow"],
)
def test_which_block_a_line_belongs_to_is_no_matter_of_speed(
    tmp_path: Path, early: str, late: str
) -> None:
    folder, screen = tmp_path / "quickstart", tmp_path / "screen"
    folder.mkdir()
    screen.write_text(early)
    (folder / "lines").write_text(late)
    with subprocess.Popen([sys.executable, "-c", ""]) as process:

        def start(*arguments: str, cwd: Path) -> Printed:
            return Printed(screen, process)

        session = Session(folder, start, None)
        played = [session.play(block) for block in blocks(SHORT_GUIDE)]
    assert played == ["", "", "first\nsecond\n", "", "third\n"]


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
