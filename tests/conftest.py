"""Fixtures for tests that start real processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.environment import ROOT, clean_environment
from tests.support.flash_run import FlashRun


@pytest.fixture
def flash_run(tmp_path: Path) -> Iterator[Callable[..., FlashRun]]:
    """Start ``flash run`` with arguments; on a free port unless one is given."""
    running: list[FlashRun] = []

    def start(*arguments: str, cwd: Path = ROOT, **variables: str) -> FlashRun:
        if not any(each.startswith(("-p", "--port")) for each in arguments):
            arguments = (*arguments, "--port", "0")
        started = FlashRun(
            *arguments,
            cwd=cwd,
            env=clean_environment(**variables),
            log=tmp_path / f"flash-run-{len(running)}.log",
        )
        running.append(started)
        return started

    yield start
    for each in running:
        each.end()


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """A client that waits long enough for a cold worker."""
    with httpx.Client(timeout=60, trust_env=False) as client:
        yield client
