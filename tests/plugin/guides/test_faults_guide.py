"""What the guide to faults says, run as it stands there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx

from pytest_flash.settings import API_KEY, MANAGEMENT_URL
from tests.support.environment import clean_environment
from tests.support.guides import FAULTS_GUIDE, files
from tests.support.pytest_runs.downstream import Project


def test_its_tests_pass(project: Project, passes: Callable[..., None]) -> None:
    sources = files(FAULTS_GUIDE)
    assert set(sources) == {
        "main.py",
        "test_main.py",
        "test_time.py",
        "test_inside.py",
        "break_it.py",
    }
    for name in ("main.py", "test_main.py", "test_time.py", "test_inside.py"):
        project.write(name, sources[name])
    passes(project.pytest(), passed=5)


def test_its_script_breaks_a_running_emulator(variables: dict[str, str], tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", files(FAULTS_GUIDE)["break_it.py"]],
        cwd=tmp_path,
        env=clean_environment(**variables),
        check=True,
        timeout=60,
    )
    url = f"{variables[MANAGEMENT_URL]}/v2/serverless"
    headers = {"Authorization": f"Bearer {variables[API_KEY]}"}
    with httpx.Client(headers=headers, trust_env=False) as client:
        assert [client.get(url).status_code for _ in range(3)] == [503, 503, 200]
