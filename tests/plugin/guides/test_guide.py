"""The guide ``docs/pytest.md``: its files are written and its commands run, in its order."""

from __future__ import annotations

import fnmatch
import re
import shlex
from collections.abc import Callable

import pytest

from tests.support.guides import PYTEST_GUIDE, blocks
from tests.support.pytest_runs.downstream import ANYIO, Project

_RUN = re.compile(r"^ *- run: (.+)$", re.M)
_LIVE = "--flash-live"


def run(project: Project, command: str, variables: dict[str, str], workers: int) -> list[str]:
    """The output of a command of the guide; only pytest is run.

    Instead of on 4 workers on ``workers``, and instead of on any number of them on none.
    """
    program, *arguments = shlex.split(command)
    if program == "pip":
        assert arguments[:2] == ["install", "pytest-flash"]
        return []
    assert program == "pytest"
    numbers = {"4": str(workers), "auto": "0"}
    arguments = [numbers.get(argument, argument) for argument in arguments]
    anyio = ANYIO if "test_jobs.py" in arguments else ()
    result = project.pytest(*anyio, *arguments, env=variables if _LIVE in arguments else None)
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


def test_the_guide_does_what_it_shows(
    request: pytest.FixtureRequest, project: Project, variables: dict[str, str]
) -> None:
    project.python.need("trio")  # By which anyio's marker doubles a test.
    workers = 4 if request.config.getoption("soak") else 2
    (project.folder / "main.py").unlink()
    seen = 0
    for block in blocks(PYTEST_GUIDE):
        if block.file is not None:
            project.write(block.file, block.text)
        if block.language == "console":
            for command, patterns in block.commands():
                output = run(project, command, variables, workers)
                assert shown(output, patterns), "\n".join([command, *patterns, "", *output])
                seen += 1
        if block.language == "yaml":
            for command in _RUN.findall(block.text):
                output = run(project, command, variables, workers)
                assert not output or "failed" not in output[-1], output
                seen += 1
    assert seen == 12


def test_every_option_marker_and_fixture_is_in_the_guide(
    in_process: Callable[..., pytest.RunResult],
) -> None:
    guide = PYTEST_GUIDE.read_text(encoding="utf-8")
    text = "\n".join(in_process("--help").outlines)
    fixtures = "\n".join(in_process("--fixtures").outlines)
    options, ini = re.findall(r"--flash-[a-z-]+", text), re.findall(r"^  (flash_\w+)", text, re.M)
    names = {*options, *ini, *re.findall(r"^(flash_\w+)", fixtures, re.M)}
    assert len(names) > 15
    assert {name for name in names if name not in guide} == set()
