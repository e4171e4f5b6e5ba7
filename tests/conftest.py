"""Fixtures for tests that start real processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from pytest_flash.runpod import Endpoint, ManagementClient
from pytest_flash.settings import API_KEY, MANAGEMENT_URL, QUEUE_URL
from pytest_flash.target import embedded
from tests.support.environment import ROOT, clean_environment
from tests.support.flash_run import FlashRun


@pytest.fixture
def flash_run(tmp_path: Path) -> Iterator[Callable[..., FlashRun]]:
    """Start ``flash run``; on a free port unless one is given, or ``any_port`` is false."""
    running: list[FlashRun] = []

    def start(
        *arguments: str,
        cwd: Path = ROOT,
        any_port: bool = True,
        closed_stdin: bool = False,
        terminal: bool = False,
        **variables: str,
    ) -> FlashRun:
        if any_port and not any(each.startswith(("-p", "--port")) for each in arguments):
            arguments = (*arguments, "--port", "0")
        started = FlashRun(
            *arguments,
            cwd=cwd,
            env=clean_environment(**variables),
            log=tmp_path / f"flash-run-{len(running)}.log",
            closed_stdin=closed_stdin,
            terminal=terminal,
        )
        running.append(started)
        return started

    yield start
    for each in running:
        each.end()


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """A client that waits for a cold worker, with a connection for each request.

    A kept connection may close just as a request goes out on it, when the app is loaded anew.
    """
    limits = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(timeout=60, trust_env=False, limits=limits) as client:
        yield client


@pytest.fixture
def variables(tmp_path: Path) -> Iterator[dict[str, str]]:
    """What a stand-alone ``flash emulator --json`` prints."""
    emulator = subprocess.Popen(
        [sys.executable, "-m", "flash_cli", "emulator", "--json"],
        cwd=tmp_path,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with emulator:
        assert emulator.stdout is not None
        yield json.loads(emulator.stdout.readline())
        emulator.terminate()
        assert emulator.wait(10) == 0


@pytest.fixture
def endpoints(variables: dict[str, str]) -> Iterator[Callable[[], list[Endpoint]]]:
    """What exists on the emulator's account."""
    target = embedded(
        variables[MANAGEMENT_URL], variables[QUEUE_URL], variables[API_KEY], "a test asked"
    )
    with ManagementClient(target) as client:
        yield client.endpoints
