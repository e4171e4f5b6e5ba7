"""Sets of installed packages share the packages, and what nobody asks for is pruned."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from flash_cli.commands import cli
from pytest_flash.emulator.packages.hermetic import Hermetic
from pytest_flash.emulator.packages.installed_folders import OVERLAYS, PACKAGES
from pytest_flash.emulator.packages.pruning import prune
from tests.emulator.worker.wheels import make_wheel

DAY = 24 * 3600.0


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A cache with two sets that have a package in common, and the folders of the sets."""
    folder = tmp_path_factory.mktemp("sets")
    index, cache = folder / "index", folder / "cache"
    index.mkdir()
    for name in ("one", "other"):
        make_wheel(index, name, requires=["common"])
    make_wheel(index, "common", "2.0")
    hermetic = Hermetic(cache, search_path=[])
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
            patch.delenv(name)
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(index))
        asked = [hermetic.provide([name], preinstalled=()) for name in ("one", "other")]
    hermetic.close()
    return cache, [each.paths[0] for each in asked]


def imported(folder: str, code: str) -> str:
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({folder!r}); {code}"]
    return subprocess.check_output(command, text=True, timeout=60).strip()


def test_each_package_is_there_once(sets: tuple[Path, list[str]]) -> None:
    cache, folders = sets
    names = [each.name.rpartition("-")[0] for each in (cache / PACKAGES).iterdir()]
    assert sorted(names) == ["common-2.0", "one-1.0", "other-1.0"]
    places = {imported(each, "import common; print(common.__file__)") for each in folders}
    assert len(places) == 2
    assert len({os.path.realpath(each) for each in places}) == 1
    code = "from importlib.metadata import version; print(version('common'))"
    assert imported(folders[0], code) == "2.0"


def test_what_was_asked_for_lately_stays(sets: tuple[Path, list[str]]) -> None:
    cache, _ = sets
    assert prune(cache, 30 * DAY).sets == 0
    assert len([*(cache / PACKAGES).iterdir()]) == 3


def test_a_set_that_nobody_asks_for_goes_with_what_no_other_has(
    sets: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, folders = sets
    long_ago = time.time() - 40 * DAY
    for each in (Path(folders[1]), *(cache / PACKAGES).iterdir()):
        os.utime(each, (long_ago, long_ago))
    monkeypatch.setenv("FLASH_CACHE_DIR", str(cache))

    done = CliRunner().invoke(cli, ["prune", "--older-than", "30d"])

    assert done.exit_code == 0, done.output
    assert done.output.startswith("1 set of packages and 1 package deleted")
    assert [str(each) for each in (cache / OVERLAYS).iterdir() if each.is_dir()] == folders[:1]
    names = [each.name.rpartition("-")[0] for each in (cache / PACKAGES).iterdir()]
    assert sorted(names) == ["common-2.0", "one-1.0"]
    assert imported(folders[0], "import one, common; print(common.VERSION)") == "2.0"


def test_an_age_that_is_none_is_a_usage_error() -> None:
    done = CliRunner().invoke(cli, ["prune", "--older-than", "long"])
    assert done.exit_code != 0
