"""Our command beside the official SDK's, which has the same name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from flash_cli.commands import cli
from flash_cli.official_commands import COMMANDS
from tests.support.environment import clean_environment

PROGRAM = """\
import json, sys
def app():
    print("OFFICIAL", json.dumps(sys.argv))
    return 3
"""


def run(folder: Path, *arguments: str, module: str = "pytest_flash") -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env=clean_environment(PYTHONPATH=str(folder / "site")),
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def install(folder: Path, *, command: str) -> None:
    """A package that is called like the official one, with a command ``flash``."""
    info = folder / "site" / "runpod_flash-1.1.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: runpod-flash\nVersion: 1.1.1\n")
    (info / "entry_points.txt").write_text(f"[console_scripts]\n{command} = standing_in:app\n")
    (folder / "site" / "standing_in.py").write_text(PROGRAM)


def test_the_package_is_a_command(tmp_path: Path) -> None:
    code, printed, _ = run(tmp_path, "--help")
    assert code == 0
    assert printed.startswith("Usage: python -m pytest_flash ")
    assert "commands of runpod-flash" in " ".join(printed.split()).replace("runpod- ", "runpod-")


@pytest.mark.parametrize("name", ["deploy", "dev"])
def test_a_command_of_the_official_sdk_is_named_for_what_it_is(tmp_path: Path, name: str) -> None:
    code, printed, errors = run(tmp_path, name, "--option")
    assert (code, printed) == (2, "")
    assert f"{name!r} is a command of runpod-flash" in errors
    assert COMMANDS[name] in errors
    assert "undeploy" not in errors


@pytest.mark.parametrize(("typed", "meant"), [("depoy", "deploy"), ("buidl", "build")])
def test_a_mistyped_command_may_be_one_of_the_official_sdk(typed: str, meant: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        cli.main([typed], standalone_mode=False)
    said = caught.value.format_message()
    assert said.startswith(
        f"No such command {typed!r}. Did you mean {meant!r}, a command of runpod-"
    )
    assert "undeploy" not in said


def test_a_mistyped_command_that_is_nearest_to_ours_is_ours() -> None:
    with pytest.raises(click.UsageError) as caught:
        cli.main(["undeplyo"], standalone_mode=False)
    assert "runpod-flash" not in caught.value.format_message()


def test_it_is_handed_to_the_official_sdk_where_that_is_installed(tmp_path: Path) -> None:
    install(tmp_path, command="flash")
    (tmp_path / "json.py").write_text("raise RuntimeError('the folder is no place of modules')")
    code, printed, errors = run(tmp_path, "deploy", "--env", "a b")
    assert printed == 'OFFICIAL ["flash", "deploy", "--env", "a b"]\n', errors
    assert code == 3
    assert errors == "flash: 'deploy' is a command of runpod-flash 1.1.1, which runs it\n"


def test_our_own_commands_are_ours_all_the_same(tmp_path: Path) -> None:
    install(tmp_path, command="flash")
    code, printed, _ = run(tmp_path, "run", "--help", module="flash_cli")
    assert code == 0
    assert "Serve APP with hot reload." in printed


def test_a_release_without_a_command_is_as_none(tmp_path: Path) -> None:
    install(tmp_path, command="other")
    code, _, errors = run(tmp_path, "build")
    assert code == 2
    assert "'build' is a command of runpod-flash" in errors
