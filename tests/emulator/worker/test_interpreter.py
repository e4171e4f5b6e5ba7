"""The Python that workers run on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pytest_flash.emulator.packages.interpreter import Interpreters
from pytest_flash.errors import EmulatorError


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_it_is_this_python_with_nothing_installed(tmp_path: Path) -> None:
    executable = Interpreters(tmp_path).executable()
    code = "import sys, importlib.metadata as m; print(sys.version); print(*m.distributions())"
    command = [str(executable), "-c", code]
    output = subprocess.check_output(command, text=True, env={}, cwd="/", timeout=20)
    assert output == f"{sys.version}\n\n"


def test_it_is_made_once(tmp_path: Path) -> None:
    executable = Interpreters(tmp_path).executable()
    made = executable.lstat().st_ino
    assert Interpreters(tmp_path).executable() == executable
    assert executable.lstat().st_ino == made
    assert len([*tmp_path.iterdir()]) == 1


def test_a_base_that_does_not_work_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = script(tmp_path / "broken", "echo broken >&2; exit 1")
    monkeypatch.setattr(sys, "_base_executable", str(broken))
    executable = Interpreters(tmp_path / "cache").executable()
    version = subprocess.check_output([str(executable), "-V"], text=True, timeout=20)
    assert version == f"Python {sys.version.split()[0]}\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("echo no libpython >&2; exit 1", "no libpython"),
        ("exit 3", "exit code 3"),
        ("echo 2.7.18", "it is another Python: 2.7.18"),
    ],
)
def test_without_any_that_works_each_is_named_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    broken = script(tmp_path / "broken", text)
    monkeypatch.setattr(sys, "_base_executable", str(broken))
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "absent"))
    with pytest.raises(EmulatorError) as caught:
        Interpreters(tmp_path / "cache").executable()
    assert f"{broken}: {reason}" in str(caught.value)
    assert not [*(tmp_path / "cache").iterdir()]
