"""The command in this process."""

from __future__ import annotations

import pytest

from tests.support.runs.command import RunCommand, command_runner


@pytest.fixture
def flash(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RunCommand:
    """Run ``flash`` in this process."""
    return command_runner(monkeypatch, capfd)
