"""A worker's network volume at the place that it has in the cloud."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pytest_flash.emulator.processes.launcher import with_volume
from pytest_flash.emulator.worker.volume_mount import MOUNT_POINT

MAY_MOUNT = sys.platform == "linux" and os.geteuid() == 0
_WRITE = "import pathlib; pathlib.Path('/runpod-volume/note').write_text('kept')"


def run(volume: Path, code: str) -> subprocess.CompletedProcess[str]:
    command = with_volume(volume, [sys.executable, "-c", code])
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_what_is_written_there_is_in_the_folder_and_nobody_else_sees_it(tmp_path: Path) -> None:
    done = run(tmp_path, _WRITE)
    if MAY_MOUNT:
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "note").read_text() == "kept"
    else:
        assert "FileNotFoundError" in done.stderr
    assert not (MOUNT_POINT / "note").exists()


def test_the_command_runs_as_the_process_itself_whether_that_is_possible_or_not(
    tmp_path: Path,
) -> None:
    done = run(tmp_path / "gone", "import os, sys; print(os.getpid()); sys.exit(3)")
    assert done.returncode == 3
    assert done.stdout.strip().isdigit()
    failed = subprocess.run(
        with_volume(tmp_path, [str(tmp_path / "missing")]),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (failed.returncode, failed.stderr) == (
        127,
        f"{tmp_path / 'missing'} cannot be run: No such file or directory\n",
    )
