"""Terminal sessions in guides: played anew, and compared with what is printed today.

A guide's ``console`` blocks begin with ``$`` and a command, and go on with what it prints. The
block of ``flash run`` is the first terminal; what that prints later follows in ``text`` blocks,
and ``^C`` in one is Ctrl-C. ``python -m tests.support.session GUIDE`` writes the blocks anew.
"""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from filecmp import cmp
from pathlib import Path
from typing import Protocol

import httpx

from tests.support.environment import QUICKSTART
from tests.support.runs.flash_run import starting
from tests.support.runs.saving import save

_BLOCK = re.compile(r"^```(console|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HOME = "/home/you/quickstart"
_URL = "http://localhost:8888"
# Seconds that lines may take to come.
_LIMIT = 60.0
_TOKEN = "hGf0uXGjYtq0o3CTFZ2kq8hZsc6tH1wE"
# What differs from run to run, and machine to machine.
_VOLATILE = (
    (re.compile(r"\b\d+(?:\.\d+)? m?s\b"), "<time>"),
    (re.compile(r'"(\w*pid)":\s*\d+'), r'"\1":<pid>'),
    (re.compile(r'"python":\s*"[\d.]+"'), '"python":<version>'),
    (re.compile(r"127\.0\.0\.1:\d+"), "<client>"),
    (re.compile(r"\bjob sync-[\w-]+, worker \w+"), "job <id>, worker <id>"),
    # Which part of a line raised is marked since Python 3.11, and not always alike.
    (re.compile(r"^ *[~^]+ *\n", re.MULTILINE), ""),
    # A worker may have become idle for too long meanwhile.
    (re.compile(r": (completed|failed) (?:cold|warm)"), r": \1 <worker>"),
)


@dataclass(frozen=True)
class Block:
    """One block of a guide: its command, None for more of the first terminal, and the rest."""

    command: str | None
    output: str


def blocks(guide: str) -> list[Block]:
    """The session of a guide."""
    return [_block(kind, text) for kind, text in _BLOCK.findall(guide)]


def _block(kind: str, text: str) -> Block:
    if kind == "text":
        return Block(None, text)
    first, _, rest = text.partition("\n")
    return Block(first.removeprefix("$ "), rest)


def comparable(text: str) -> list[str]:
    """The lines of ``text`` without what varies.

    In order of the alphabet: of lines that two processes print, either may come first.
    """
    for pattern, name in _VOLATILE:
        text = pattern.sub(name, text)
    return sorted(line.rstrip() for line in text.splitlines())


class Terminal(Protocol):
    """The first terminal: what ``flash run`` printed there, and how it is reached."""

    process: subprocess.Popen[bytes]

    @property
    def output(self) -> str:
        """Everything so far."""

    @property
    def url(self) -> str:
        """Where the app answers."""

    def wait(self) -> int:
        """Its exit code."""


class OpenTerminal(Protocol):
    """Starts ``flash run ARGUMENTS`` in ``cwd``."""

    def __call__(self, *arguments: str, cwd: Path) -> Terminal: ...


class Session:
    """Plays the commands of a guide on a copy of the quickstart in ``folder``.

    Which block a line of the first terminal belongs to is a matter of their order: a block gets
    as many lines as it has in the guide, however early they were printed. With ``settle`` it gets
    all that comes until nothing has come for so many seconds.
    """

    def __init__(self, folder: Path, start: OpenTerminal, settle: float | None) -> None:
        self.folder = folder
        self._start = start
        self._run: Terminal | None = None
        self._shown = 0
        self._settle = settle

    def play(self, block: Block) -> str:
        """What is printed where ``block`` stands in the guide, in the guide's names."""
        if block.command is None:
            if "^C" in block.output:
                return self._interrupt()
            return self._more(block.output)
        command = shlex.split(block.command)
        if command[:2] == ["flash", "run"]:
            self._run = self._start(*command[2:], cwd=self.folder)
            return self._more(block.output)
        if command[0] == "curl":
            return self._curl(command)
        self._change(block.command)
        return ""

    def _more(self, expected: str) -> str:
        """What the first terminal prints next: as many lines as expected, or what comes instead."""
        wanted = len(comparable(expected))
        if wanted == 0:
            return ""  # The guide shows it later.
        deadline = time.monotonic() + _LIMIT
        while self._count(self._unseen()) < wanted and time.monotonic() < deadline:
            time.sleep(0.02)  # The interval of a wait that has a deadline.
        text = self._first(wanted) if self._settle is None else self._settled(self._settle)
        self._shown += len(text)
        return self._named(text)

    def _first(self, wanted: int) -> str:
        """The first ``wanted`` lines that count."""
        text = ""
        for line in self._unseen().splitlines(keepends=True):
            if self._count(text) == wanted:
                break
            text += line
        return text

    def _settled(self, seconds: float) -> str:
        """All lines, once none has come for ``seconds``."""
        text = ""
        while text != (text := self._unseen()):
            time.sleep(seconds)
        return text

    @staticmethod
    def _count(text: str) -> int:
        return len(comparable(text))

    def _interrupt(self) -> str:
        assert self._run is not None
        self._run.process.send_signal(signal.SIGINT)
        self._run.wait()
        return f"^C\n{self._named(self._unseen())}"

    def _unseen(self) -> str:
        """The whole lines that no block has got."""
        assert self._run is not None
        return "".join(
            line
            for line in self._run.output[self._shown :].splitlines(keepends=True)
            if line.endswith("\n")
        )

    def _change(self, command: str) -> None:
        """Run a command that edits files, so that each of them changes once and at once."""
        draft = self.folder.with_name("draft")
        shutil.copytree(self.folder, draft)
        subprocess.run(command, shell=True, cwd=draft, check=True)
        for file in draft.rglob("*"):
            served = self.folder / file.relative_to(draft)
            if file.is_file() and not (served.exists() and cmp(file, served, shallow=False)):
                save(served, file.read_text())
        shutil.rmtree(draft)

    def _curl(self, command: list[str]) -> str:
        assert self._run is not None
        url = next(each for each in command if each.startswith("http"))
        method = command[command.index("-X") + 1] if "-X" in command else "GET"
        body = command[command.index("-d") + 1] if "-d" in command else None
        headers = {"Content-Type": "application/json"} if body else None
        answer = httpx.request(
            method,
            url.replace(_URL, self._run.url),
            content=body,
            headers=headers,
            timeout=60,
            trust_env=False,
        )
        return f"{answer.text}\n"

    def _named(self, text: str) -> str:
        assert self._run is not None
        text = re.sub(r"token=\S+", f"token={_TOKEN}", text)
        return text.replace(str(self.folder.resolve()), _HOME).replace(self._run.url, _URL)


def play(
    guide: str, folder: Path, start: OpenTerminal, *, settle: float | None = None
) -> Iterator[tuple[Block, str]]:
    """Each block of ``guide`` with what is printed today; ``settle`` as for ``Session``."""
    shutil.copytree(QUICKSTART, folder, ignore=shutil.ignore_patterns("__pycache__", ".env"))
    session = Session(folder, start, settle)
    for block in blocks(guide):
        yield block, session.play(block)


def _rewrite(guide: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with starting(folder) as start:
            played = list(play(guide.read_text(), folder / "quickstart", start, settle=1))
    actual = iter(played)

    def block(match: re.Match[str]) -> str:
        old, output = next(actual)
        first = "" if old.command is None else f"$ {old.command}\n"
        return f"```{match[1]}\n{first}{output}```"

    guide.write_text(_BLOCK.sub(block, guide.read_text()))


if __name__ == "__main__":
    _rewrite(Path(sys.argv[1]))
