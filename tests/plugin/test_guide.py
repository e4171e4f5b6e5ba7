"""The guide ``docs/pytest.md``: its files are written and its commands run, in its order."""

from __future__ import annotations

import fnmatch
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.environment import ROOT, clean_environment

GUIDE = ROOT / "docs" / "pytest.md"
_BLOCK = re.compile(
    r"^(?:`(?P<file>\S+)`\n\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)
_RUN = re.compile(r"^ *- run: (.+)$", re.M)
_LIVE = "--flash-live"


@dataclass(frozen=True)
class Block:
    """A fenced block; ``file`` is the name that stands above it."""

    file: str | None
    language: str
    text: str

    def commands(self) -> Iterator[tuple[str, list[str]]]:
        """Each command with the output that is shown for it, as patterns."""
        for part in self.text.split("$ ")[1:]:
            command, *shown = part.strip().splitlines()
            yield command, shown


def blocks() -> list[Block]:
    found = _BLOCK.finditer(GUIDE.read_text(encoding="utf-8"))
    return [Block(each["file"], each["language"], each["text"]) for each in found]


def run(project: Any, command: str, variables: dict[str, str]) -> list[str]:
    """The output of a command of the guide; only pytest is run."""
    program, *arguments = shlex.split(command)
    if program == "pip":
        assert arguments[:2] == ["install", "pytest-flash"]
        return []
    assert program == "pytest"
    result = project.pytest(*arguments, **(variables if _LIVE in arguments else {}))
    assert result.ret in (0, 1), [*result.outlines, *result.errlines]
    lines: list[str] = result.outlines
    return lines


def shown(output: list[str], patterns: list[str]) -> bool:
    """Whether the lines of ``patterns`` are there in this order; rules may be of any length."""
    remaining = iter(_plain(line) for line in output)
    return all(
        any(fnmatch.fnmatchcase(line, _plain(each.replace("[", "[[]"))) for line in remaining)
        for each in patterns
    )


def _plain(line: str) -> str:
    return re.sub(r" +", " ", re.sub(r"^([=-])\1+ (.*) \1+$", r"\1 \2 \1", line.rstrip()))


def test_the_guide_does_what_it_shows(project: Any, variables: dict[str, str]) -> None:
    project.python.need("trio")  # By which anyio's marker doubles a test.
    (project.folder / "main.py").unlink()
    seen = 0
    for block in blocks():
        if block.file is not None:
            project.write(block.file, block.text)
        if block.language == "console":
            for command, patterns in block.commands():
                output = run(project, command, variables)
                assert shown(output, patterns), "\n".join([command, *patterns, "", *output])
                seen += 1
        if block.language == "yaml":
            for command in _RUN.findall(block.text):
                output = run(project, command, variables)
                assert not output or "failed" not in output[-1], output
                seen += 1
    assert seen == 12
    types(project)


def types(project: Any) -> None:
    """The guide's tests use every fixture that has a type, and hold under mypy's strict mode."""
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "."],
        cwd=project.folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert checked.returncode == 0, checked.stdout


def test_every_option_marker_and_fixture_is_in_the_guide(project: Any) -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    text = "\n".join(project.pytest("--help").outlines)
    fixtures = "\n".join(project.pytest("--fixtures").outlines)
    options, ini = re.findall(r"--flash-[a-z-]+", text), re.findall(r"^  (flash_\w+)", text, re.M)
    names = {*options, *ini, *re.findall(r"^(flash_\w+)", fixtures, re.M)}
    assert len(names) > 15
    assert {name for name in names if name not in guide} == set()


EVERYTHING = """\
import dataclasses

import httpx
import pytest
from fastapi import FastAPI
from main import app, double
from pytest_flash.emulator.control import EmulatorControl
from pytest_flash.testing import Endpoints, FlashConfig, FlashSession, Job, Jobs, Server, Stub


@pytest.fixture(scope="session")
def flash_config(flash_config: FlashConfig) -> FlashConfig:
    return dataclasses.replace(flash_config, startup_timeout=30.0)


@pytest.fixture(scope="session")
def flash_app(flash_session: FlashSession) -> FastAPI:
    assert not flash_session.target.is_live
    return app


def fake(x: int) -> int:
    return 7


def test_everything(
    flash_app: FastAPI,
    flash_endpoints: Endpoints,
    flash_server: Server,
    flash_client: httpx.Client,
    flash_async_client: httpx.AsyncClient,
    flash_jobs: Jobs,
    flash_emulator: EmulatorControl,
) -> None:
    assert flash_server.app is flash_app
    stub: Stub = flash_endpoints.stub(double, fake)
    assert flash_client.get("/double/1").json() == 7
    assert str(flash_async_client.base_url).startswith(flash_server.url)
    job: Job = flash_jobs.of(double)[0]
    status: str | None = job.status
    assert status == "COMPLETED" and job.stubbed
    stub.undo()
    assert [each.name for each in flash_emulator.endpoints()] == ["live-gpu"]
    name: str = flash_endpoints["gpu"].name
    assert name == "live-gpu"
"""

WRONG = """\
from main import double
from pytest_flash.testing import Endpoints


def fake(x: int) -> bytes:
    return b""


def test_it(flash_endpoints: Endpoints) -> None:
    flash_endpoints.stub(double, fake)
"""


@pytest.mark.parametrize(("name", "text"), [("right", EVERYTHING), ("wrong", WRONG)])
def test_types_are_exported_and_strict(project: Any, name: str, text: str) -> None:
    project.write(
        "main.py",
        "from fastapi import FastAPI\nfrom pytest_flash import LiveServerless, remote\n\n"
        "app = FastAPI()\n\n\n@remote(LiveServerless(name='gpu'))\n"
        "def double(x: int) -> int:\n    return x * 2\n\n\n"
        "@app.get('/double/{x}')\nasync def doubled(x: int) -> int:\n    return await double(x)\n",
    )
    project.write("test_app.py", text)
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "test_app.py", "main.py"],
        cwd=project.folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    if name == "right":
        assert checked.returncode == 0, checked.stdout
        assert project.pytest().ret == 0
    else:
        assert "test_app.py:10: error: " in checked.stdout
        assert '"stub" of "Endpoints"' in checked.stdout
