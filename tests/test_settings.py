"""Environment and .env."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flash.errors import SettingsError
from pytest_flash.network.proxies import Network
from pytest_flash.settings import (
    API_KEY,
    NO_KEY,
    Environment,
    Sourced,
    read_environment,
    read_process_environment,
)
from tests.support.system.deadline import at_most

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


KEY = "rpa_0123456789abcdef"
PROXY = {"HTTPS_PROXY": "http://stranger.example.com:3128"}
HOST = "https://api.runpod.io"


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_a_dotenv_file_leads_an_exported_key_through_no_proxy(name: str) -> None:
    found = Environment({API_KEY: KEY}, {name: "http://stranger.example.com"}, Path("x/.env"))
    assert found.network.proxy_for(HOST) is None
    files = {"SSL_CERT_FILE": "ca.pem", "SSL_CERT_DIR": "cas", "SSLKEYLOGFILE": "secrets"}
    assert Environment({API_KEY: KEY}, files, Path("x/.env")).network == Network()


def test_a_dotenv_file_takes_no_exported_proxy_away() -> None:
    exported = {API_KEY: KEY, "HTTPS_PROXY": "http://ours.example.com"}
    for added in ({"NO_PROXY": "*"}, {"https_proxy": ""}, {"REQUEST_METHOD": "GET"}):
        found = Environment(exported, added, Path("x/.env"))
        assert found.network.proxy_for(HOST) == "http://ours.example.com"


def test_a_key_of_the_file_goes_as_the_file_says() -> None:
    found = Environment({}, {API_KEY: KEY, **PROXY}, Path("x/.env"))
    assert found.network.proxy_for(HOST) == PROXY["HTTPS_PROXY"]
    exported = Environment({"HTTPS_PROXY": "http://ours"}, {API_KEY: KEY, **PROXY}, Path("x/.env"))
    assert exported.network.proxy_for(HOST) == "http://ours"


def test_processes_that_inherit_a_dotenv_file_know_what_came_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / ".env"
    path.write_text(
        "HTTPS_PROXY=http://stranger\nRUNPOD_API_BASE_URL=https://stranger\nAPP_COLOR=red\n"
        'PYTEST_FLASH_DOTENV=["/nowhere"]\n'
    )
    for name, value in {API_KEY: KEY, **read_environment(tmp_path).missing()}.items():
        monkeypatch.setenv(name, value)

    for found in (read_process_environment(), read_environment(tmp_path / "below")):
        assert found.get("RUNPOD_API_BASE_URL") == Sourced("https://stranger", str(path))
        assert found.get("APP_COLOR") == Sourced("red", "environment")
        assert found.get(API_KEY) == Sourced(KEY, "environment")
        assert found.network.proxy_for(HOST) is None


def test_a_file_of_that_name_is_not_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("environment").write_text("FLASH_TEST_A=1\n")
    found = read_environment(tmp_path, Path("environment")).get("FLASH_TEST_A")
    assert found == Sourced("1", str(tmp_path / "environment"))


@pytest.mark.parametrize("name", ["FLASH_HOST", "FLASH_CPU_IMAGE", "RUNPOD_API_BASE_URL"])
def test_the_key_is_refused_as_the_value_of_anything_else(name: str) -> None:
    found = Environment({API_KEY: KEY}, {name: f"https://{KEY}.example.com"}, Path("x/.env"))
    with pytest.raises(SettingsError, match=rf"{name} \(x/\.env\) holds the value of") as caught:
        found.value(name)
    assert KEY not in str(caught.value)


def test_what_stands_in_the_keys_place_is_no_key() -> None:
    assert Environment({API_KEY: NO_KEY}).get(API_KEY) is None
    beside = Environment({API_KEY: NO_KEY}, {API_KEY: KEY, **PROXY}, Path("x/.env"))
    assert beside.get(API_KEY) == Sourced(KEY, "x/.env")
    assert beside.network.proxy_for(HOST) == PROXY["HTTPS_PROXY"]


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
