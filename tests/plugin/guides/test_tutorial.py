"""The tutorial, done by the letter: files saved, commands run, what is shown compared.

Blocks of ``sh`` are for a machine with an account, or make the environment; they are not run.
"""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.plugin.guides.test_guide import shown
from tests.support.environment import ROOT
from tests.support.guides import Block, blocks
from tests.support.pytest_runs.downstream import Project
from tests.support.runs.flash_run import FlashRun, StartRun
from tests.support.runs.saving import save
from tests.support.system.processes import wait_until

TUTORIAL = ROOT / "docs" / "tutorial.md"
SERVER = "http://localhost:8888"


class Reader:
    """Does what the tutorial says, in its order."""

    def __init__(self, project: Project, start: StartRun) -> None:
        self.project = project
        self._start = start
        self._run: FlashRun | None = None

    def read(self, block: Block) -> None:
        """Do what one block says, or look for what it shows."""
        if block.file is not None:
            save(self.project.folder / block.file, block.text)
        elif block.language == "console":
            for command, patterns in block.commands():
                output = self.do(command)
                assert shown(output, patterns), "\n".join([command, *patterns, "", *output])
        elif block.language == "text":
            self.wait_for(block.text.splitlines())

    def do(self, command: str) -> list[str]:
        """The output of a command."""
        program, *arguments = shlex.split(command)
        if program == "pytest":
            self.end()
            return list(self.project.pytest(*arguments).outlines)
        if program == "flash":
            assert arguments == ["run"]
            self._run = self._start(cwd=self.project.folder)
            return []
        assert program == "curl"
        url = arguments[-1].replace(SERVER, self.run.url)
        done = subprocess.run(
            ["curl", *arguments[:-1], url], capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout.splitlines()

    def wait_for(self, patterns: list[str]) -> None:
        """Wait until ``flash run`` has printed these lines."""

        def printed() -> bool:
            lines = [
                re.sub(r"localhost:\d+", "localhost:8888", each.strip()) for each in self.lines()
            ]
            return shown(lines, patterns)

        wait_until(printed, 60, f"{patterns} among {self.run.output}")

    def lines(self) -> Iterator[str]:
        return iter(self.run.output.splitlines())

    @property
    def run(self) -> FlashRun:
        assert self._run is not None, "flash run has not been started"
        return self._run

    def end(self) -> None:
        """Ctrl-C, if it still runs."""
        if self._run is not None:
            self._run.process.send_signal(signal.SIGINT)
            assert self._run.wait() == 130
            self._run = None


def test_a_reader_sees_what_it_shows(project: Project, flash_run: StartRun) -> None:
    (project.folder / "main.py").unlink()
    reader = Reader(project, flash_run)
    for block in blocks(TUTORIAL):
        reader.read(block)


def test_what_it_shows_is_compared(project: Project, flash_run: StartRun) -> None:
    reader = Reader(project, flash_run)
    (project.folder / "test_one.py").write_text("def test_one(): pass\n")
    block = Block(None, "console", "$ pytest test_one.py\n=== 2 passed in * ===\n")
    with pytest.raises(AssertionError, match="2 passed"):
        reader.read(block)
