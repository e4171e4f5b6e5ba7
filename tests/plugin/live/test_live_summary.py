"""A live run, on a stand-alone emulator: what it refuses, and what it says that it cost."""

from __future__ import annotations

import re

import pytest

from tests.support.accounts.account import Account
from tests.support.pytest_runs.downstream import Project
from tests.support.pytest_runs.inner_run import InnerRun, text

CALLS = """
def test_calls(flash_client):
    flash_client.get("/double/1")
"""

STUBS = """
import pytest
import main
from pytest_flash.errors import SettingsError

def fake(x):
    return x

def test_stubs(flash_endpoints):
    with pytest.raises(SettingsError, match="flash_emulator"):
        flash_endpoints.stub(main.double, fake)
"""

BREAKS = """
def test_breaks(flash_emulator):
    pass
"""


@pytest.fixture(scope="module")
def kept(shared_project: Project, account: Account) -> InnerRun:
    """A run that leaves its endpoint."""
    sources = {"test_calls": CALLS, "test_stubs": STUBS, "test_breaks": BREAKS}
    for name, source in sources.items():
        shared_project.write(f"{name}.py", source)
    return shared_project.report("--flash-live", "--flash-keep", env=account.variables)


def test_the_summary_says_what_it_cost(
    kept: InnerRun, shared_project: Project, account: Account
) -> None:
    kept.check("test_calls", passed=1)
    assert re.search(r"live-gpu: created in [\d.]+ s, kept", kept.text)
    cost = r"[\d.]+ s of compute on any GPU \(live-gpu\), (about|less than) \$\d"
    assert re.search(cost, kept.text)
    again = shared_project.pytest("--flash-live", "test_calls.py", env=account.variables)
    assert re.search(r"live-gpu: reused in [\d.]+ s, deleted", text(again))


def test_nothing_is_stubbed_on_runpod(kept: InnerRun) -> None:
    kept.check("test_stubs", passed=1)


def test_faults_are_refused_on_runpod(kept: InnerRun) -> None:
    kept.check("test_breaks", errors=1)
    shown = kept.failure("ERROR at setup of test_breaks")
    where = "test_breaks.py::test_breaks uses flash_emulator"
    assert f"{where}: faults can be set on the embedded Runpod" in shown
