"""Unmodified apps of the official SDK on the emulator, in environments of their own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_flash.emulator.startup.announcement import Announcement
from tests.conformance.environment import official_python
from tests.emulator.harness import KEY, Emulator, serving_project
from tests.support.environment import clean_environment

SCRIPT = Path(__file__).parent.parent / "apps" / "guests" / "sums.py"
# That of 1.21.0 is served by ``flash run``, in test_served_guests.
VERSIONS = ("1.1.1", "1.21.0")


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with serving_project(tmp_path_factory.mktemp("project")) as emulator:
        yield emulator


@pytest.mark.parametrize("version", VERSIONS)
def test_a_script_runs_on_one_endpoint(
    version: str, request: pytest.FixtureRequest, emulator: Emulator, tmp_path: Path
) -> None:
    if version != VERSIONS[0] and not request.config.getoption("soak"):
        pytest.skip("other versions of runpod-flash: with --soak")
    python = official_python(("runpod==1.12.0", f"runpod-flash=={version}", "cloudpickle"))
    before = {each["id"] for each in _endpoints(emulator)}
    done = subprocess.run(
        [python, SCRIPT],
        cwd=tmp_path,
        env=_variables(emulator, tmp_path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # The official images make an instance for each job: the second one counts from 10 again.
    assert json.loads(done.stdout.splitlines()[-1]) == [3, "ab", 11, 12, True]
    made = [each for each in _endpoints(emulator) if each["id"] not in before]
    assert [each["name"].removesuffix("-fb") for each in made] == ["live-sums"]
    assert KEY not in json.dumps(made)


def _endpoints(emulator: Emulator) -> list[dict[str, str]]:
    found: list[dict[str, str]] = emulator.management.get("/v2/serverless").json()["endpoints"]
    return found


def _variables(emulator: Emulator, home: Path) -> dict[str, str]:
    announced = Announcement.of(emulator.origin, KEY).environment()
    return {**clean_environment(), "HOME": str(home), **announced}
