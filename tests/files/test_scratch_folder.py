"""Folders that dead processes left are removed, and nothing else that is called so."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from pytest_flash.files.scratch_folder import scratch_folder
from tests.support.system.deadline import at_most


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files are."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def left(folder: Path) -> Path:
    """As a process that was killed leaves it."""
    (folder / "home").mkdir(parents=True)
    (folder / "lock").touch()
    return folder


def test_what_a_dead_process_left_is_removed(temporary: Path) -> None:
    dead = left(temporary / "flash-emulator-dead")
    with scratch_folder("flash-emulator-") as folder:
        assert not dead.exists()
        with scratch_folder("flash-emulator-"):
            assert folder.exists()
    assert list(temporary.iterdir()) == []


def test_a_link_leads_to_no_removal(temporary: Path) -> None:
    other = left(temporary.parent / "other")
    (temporary / "flash-emulator-link").symlink_to(other)
    with scratch_folder("flash-emulator-"):
        assert (other / "home").exists()


def test_the_folder_of_another_user_stays(temporary: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("giving files to other users needs root")
    other = left(temporary / "flash-emulator-other")
    os.chown(other, 12345, 12345)
    with scratch_folder("flash-emulator-"):
        assert (other / "home").exists()


def test_a_pipe_in_place_of_the_lock_is_not_waited_for(temporary: Path) -> None:
    made = temporary / "flash-emulator-pipe"
    made.mkdir()
    os.mkfifo(made / "lock")
    with at_most(20), scratch_folder("flash-emulator-"):
        assert made.exists()


def test_folders_of_other_names_stay(temporary: Path) -> None:
    other = left(temporary / "flash-emulator-dead")
    with scratch_folder("flash-guests-"):
        assert (other / "home").exists()
