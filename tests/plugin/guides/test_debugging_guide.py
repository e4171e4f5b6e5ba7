"""What the guide to debugging says, run as it stands there."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.environment import clean_environment
from tests.support.guides import DEBUGGING_GUIDE, files
from tests.support.pytest_runs.downstream import PLAIN, Project


@pytest.fixture
def project(project: Project) -> Project:
    """The files of the guide."""
    for name, source in files(DEBUGGING_GUIDE).items():
        project.write(name, source)
    return project


def test_its_tests_pass_in_this_process(project: Project) -> None:
    result = project.pytest("--flash-in-process", "test_ratio.py")
    result.assert_outcomes(passed=2)
    assert "flash: remote functions in this process" in result.stdout.str()


def test_a_debugger_ends_in_the_remote_frame(project: Project) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *PLAIN, "--flash-in-process", "--pdb", "test_direct.py"],
        cwd=project.folder,
        env=clean_environment(),
        input="p 'total is', total\nq\n",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "('total is', 0)" in done.stdout, done.stdout + done.stderr


def test_it_is_refused_together_with_live(project: Project) -> None:
    result = project.pytest("--flash-in-process", "--flash-live", "test_ratio.py")
    assert result.ret == 4
    assert "--flash-in-process runs nothing on Runpod" in result.stderr.str()
