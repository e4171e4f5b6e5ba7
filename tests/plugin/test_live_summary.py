"""A live run, on a stand-alone emulator: what it refuses, and what it says that it cost."""

from __future__ import annotations

import re

import pytest

from tests.support.downstream import Project
from tests.support.innerrun import InnerRun, text

CALLS = """
def test_it(flash_client):
    flash_client.get("/double/1")
"""

STUBS = """
import pytest
import main
from pytest_flash.errors import SettingsError

def fake(x):
    return x

def test_it(flash_endpoints):
    with pytest.raises(SettingsError, match="flash_emulator"):
        flash_endpoints.stub(main.double, fake)
"""

BREAKS = """
def test_breaks(flash_emulator):
    pass
"""


@pytest.fixture
def live(project: Project, variables: dict[str, str]) -> InnerRun:
    """A run that keeps its endpoints."""
    project.write("test_calls.py", CALLS)
    project.write("test_stubs.py", STUBS)
    project.write("test_breaks.py", BREAKS)
    return project.report("--flash-live", "--flash-keep", env=variables)
