"""Environment and .env."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flash.errors import SettingsError
from pytest_flash.settings import Environment, Sourced, read_environment
from tests.support.deadline import at_most

NAMES = st.sampled_from(["A", "B", "C", "RUNPOD_API_KEY"])
VARIABLES = st.dictionaries(NAMES, st.text(max_size=5))


@given(VARIABLES, VARIABLES)
def test_the_process_wins_and_empty_counts_as_absent(
    process: dict[str, str], dotenv: dict[str, str]
) -> None:
    found = Environment(process, dotenv, Path("x/.env"))
    for name in {*process, *dotenv}:
        if process.get(name):
            assert found.get(name) == Sourced(process[name], "environment")
        elif dotenv.get(name):
            assert found.get(name) == Sourced(dotenv[name], "x/.env")
        else:
            assert found.get(name) is None
    assert not set(found.missing()) & set(process)


def test_dotenv_lies_beside_the_app(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# comment\nFLASH_TEST_A=1\nexport FLASH_TEST_B='two words'\n")

    found = read_environment(tmp_path)

    assert found.get("FLASH_TEST_A") == Sourced("1", str(tmp_path / ".env"))
    assert found.value("FLASH_TEST_B") == "two words"


def test_no_dotenv_is_fine(tmp_path: Path) -> None:
    assert read_environment(tmp_path).dotenv == {}


def test_another_file_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "prod.env").write_text("FLASH_TEST_A=1\n")
    assert read_environment(tmp_path, tmp_path / "prod.env").value("FLASH_TEST_A") == "1"


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"prod\.env: no such file"):
        read_environment(tmp_path, tmp_path / "prod.env")


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\nB='open\nC=3\n")
    with pytest.raises(SettingsError, match=r"\.env:2: not a NAME=value line"):
        read_environment(tmp_path)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"A=\xff\xfe\n")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_environment(tmp_path)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=" + "1" * (1 << 20))
    with pytest.raises(SettingsError, match=r"\.env cannot be read: it is larger than 1 MiB"):
        read_environment(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".env")
    with at_most(20):
        assert read_environment(tmp_path).dotenv == {}
        with pytest.raises(SettingsError, match="not a regular file"):
            read_environment(tmp_path, tmp_path / ".env")
