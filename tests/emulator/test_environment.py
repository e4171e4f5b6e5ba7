"""What an emulator takes over of the environment that it is started in."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pytest_flash.emulator.client.process import EmulatorProcess


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_coverage_does_not_measure_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``patch = subprocess`` in coverage's configuration makes every Python do."""
    monkeypatch.setenv("COVERAGE_PROCESS_START", str(tmp_path / "coveragerc"))
    monkeypatch.setenv("COVERAGE_PROCESS_CONFIG", "{}")
    monkeypatch.setenv("OF_THE_USER", "1")
    with EmulatorProcess.start(tmp_path) as emulator:
        variables = Path(f"/proc/{emulator.pid}/environ").read_text().split("\0")
    assert "OF_THE_USER=1" in variables
    assert not [each for each in variables if each.startswith("COVERAGE_")]
