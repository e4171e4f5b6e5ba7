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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from .environment import QUICKSTART, clean_environment
from .flash_run import FlashRun
from .processes import wait_until

_BLOCK = re.compile(r"^```(console|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HOME = "/home/you/quickstart"
_URL = "http://localhost:8888"
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


class Session:
    """Plays the commands of a guide on a copy of the quickstart in ``folder``."""

    def __init__(self, folder: Path, start: Callable[..., FlashRun], settle: float) -> None:
        self.folder = folder
        self._start = start
        self._run: FlashRun | None = None
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
        subprocess.run(block.command, shell=True, cwd=self.folder, check=True)
        return ""

    def _more(self, expected: str) -> str:
        """What the first terminal prints next: as many lines as expected, or what comes instead."""
        assert self._run is not None
        wanted = len(expected.splitlines())
        quiet = time.monotonic() + 15

        def complete() -> bool:
            return len(self._unseen().splitlines()) >= wanted or time.monotonic() > quiet

        wait_until(complete, 30, "more lines")
        time.sleep(self._settle)
        text = self._unseen()
        self._shown += len(text)
        return self._named(text)

    def _interrupt(self) -> str:
        assert self._run is not None
        self._run.process.send_signal(signal.SIGINT)
        self._run.wait(10)
        return f"^C\n{self._named(self._unseen())}"

    def _unseen(self) -> str:
        assert self._run is not None
        return self._run.output[self._shown :]

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
    guide: str, folder: Path, start: Callable[..., FlashRun], *, settle: float = 0.3
) -> Iterator[tuple[Block, str]]:
    """Each block of ``guide`` with what is printed today.

    ``settle`` is how many seconds more lines than the block has are waited for.
    """
    shutil.copytree(QUICKSTART, folder, ignore=shutil.ignore_patterns("__pycache__", ".env"))
    session = Session(folder, start, settle)
    for block in blocks(guide):
        yield block, session.play(block)


@contextmanager
def _started(folder: Path) -> Iterator[Callable[..., FlashRun]]:
    running: list[FlashRun] = []

    def start(*arguments: str, cwd: Path) -> FlashRun:
        arguments = (*arguments, "--port", "0")
        log = folder / "flash-run.log"
        running.append(FlashRun(*arguments, cwd=cwd, env=clean_environment(), log=log))
        return running[-1]

    try:
        yield start
    finally:
        for each in running:
            each.end()


def _rewrite(guide: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with _started(folder) as start:
            played = list(play(guide.read_text(), folder / "quickstart", start, settle=1))
    actual = iter(played)

    def block(match: re.Match[str]) -> str:
        old, output = next(actual)
        first = "" if old.command is None else f"$ {old.command}\n"
        return f"```{match[1]}\n{first}{output}```"

    guide.write_text(_BLOCK.sub(block, guide.read_text()))


if __name__ == "__main__":
    _rewrite(Path(sys.argv[1]))
