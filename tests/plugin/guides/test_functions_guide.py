"""What the guide to remote functions says, run as it stands there."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.guides import FUNCTIONS_GUIDE, blocks
from tests.support.pytest_runs.downstream import Project


def test_its_examples_run(project: Project, passes: Callable[..., None]) -> None:
    tests = 0
    for block in blocks(FUNCTIONS_GUIDE):
        if block.language == "python":
            assert block.file is not None
            project.write(block.file, block.text)
            tests += block.text.count("\ndef test_")
        elif block.language == "json":
            project.write("config.json", block.text)
    assert tests == 8
    passes(project.pytest(), passed=tests)
