"""``.env``: its syntax is python-dotenv's, and it takes no secret of the shell for our settings."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flash.errors import SettingsError
from pytest_flash.settings import read_environment

SECRET = "aws-secret-0123456789"


def read_dotenv(path: Path) -> dict[str, str]:
    return dict(read_environment(path.parent, path).dotenv)


@pytest.fixture
def dotenv(tmp_path: Path) -> Path:
    return tmp_path / ".env"


@pytest.fixture(autouse=True)
def shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL_SECRET", SECRET)
    monkeypatch.delenv("UNSET", raising=False)


@pytest.mark.parametrize(
    ("text", "line", "name"),
    [
        ("FLASH_CPU_IMAGE=evil/x/${SHELL_SECRET}", 1, "FLASH_CPU_IMAGE"),
        ("\n# host\nFLASH_HOST=${SHELL_SECRET}", 3, "FLASH_HOST"),
        ("RUNPOD_API_KEY=${SHELL_SECRET}", 1, "RUNPOD_API_KEY"),
        ("export RUNPOD_API_KEY='${SHELL_SECRET}'", 1, "RUNPOD_API_KEY"),
        ('RUNPOD_API_KEY="${SHELL_SECRET:-x}"', 1, "RUNPOD_API_KEY"),
        ("RUNPOD_API_BASE_URL=https://${UNSET}.example.com", 1, "RUNPOD_API_BASE_URL"),
        ("A=1\nHTTPS_PROXY=http://${SHELL_SECRET}@example.com", 2, "HTTPS_PROXY"),
        ("https_proxy=http://${SHELL_SECRET}@example.com", 1, "https_proxy"),
        ("SSL_CERT_FILE=${SHELL_SECRET}", 1, "SSL_CERT_FILE"),
        ("PYTEST_FLASH_APP=${SHELL_SECRET}", 1, "PYTEST_FLASH_APP"),
        # Through another name of the file, which takes it from the shell.
        ("A=${SHELL_SECRET}\nFLASH_HOST=${A}", 2, "FLASH_HOST"),
        ("SHELL_SECRET=${SHELL_SECRET}\nFLASH_HOST=${SHELL_SECRET}", 2, "FLASH_HOST"),
        # It is defined further down, so it is the shell's up here.
        ("FLASH_HOST=${SHELL_SECRET}\nSHELL_SECRET=mine", 1, "FLASH_HOST"),
        ("A=mine\nA=${SHELL_SECRET}\nFLASH_HOST=${A}", 3, "FLASH_HOST"),
    ],
)
def test_what_the_shell_has_goes_into_no_setting_of_ours(
    dotenv: Path, text: str, line: int, name: str
) -> None:
    dotenv.write_text(text)
    with pytest.raises(SettingsError, match=rf"\.env:{line}: {name} takes \$\{{") as caught:
        read_dotenv(dotenv)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HOST=example.com\nRUNPOD_API_BASE_URL=https://${HOST}/x", "https://example.com/x"),
        ("A=a\nB=${A}b\nFLASH_HOST=${B}c", "abc"),
        ("A=a\nFLASH_HOST=${A:-unused}", "a"),
        ("FLASH_HOST=$SHELL_SECRET", "$SHELL_SECRET"),
        ("A=${SHELL_SECRET}\nA=mine\nFLASH_HOST=${A}", "mine"),
        ("DATABASE_URL=postgres://${SHELL_SECRET}@db", f"postgres://{SECRET}@db"),
        ("DATABASE_URL=${UNSET:-sqlite://}", "sqlite://"),
    ],
)
def test_the_rest_expands_as_python_dotenv_does(dotenv: Path, text: str, expected: str) -> None:
    dotenv.write_text(text)
    assert list(read_dotenv(dotenv).values())[-1] == expected


@pytest.mark.parametrize("text", ["FLASH_PORT=${FLASH_PORT}", "FLASH_PORT=${FLASH_PORT:-8000}"])
def test_a_setting_that_is_set_to_itself_says_nothing_new(
    dotenv: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASH_PORT", "9000")
    dotenv.write_text(text)
    assert read_dotenv(dotenv) == {"FLASH_PORT": "9000"}


SETTINGS = ("FLASH_HOST", "RUNPOD_API_KEY", "http_proxy")
_NAMES = st.sampled_from(["A", "B", "SHELL_SECRET", *SETTINGS])
_PARTS = st.one_of(
    st.text(string.ascii_letters + "/:.-", max_size=4),
    _NAMES.map(lambda name: f"${{{name}}}"),
    _NAMES.map(lambda name: f"${{{name}:-d}}"),
    st.sampled_from(["${", "}", "$", "${A"]),
)
_LINES = st.tuples(_NAMES, st.lists(_PARTS, max_size=3), st.sampled_from(["", "'", '"']))


def attempt(path: Path) -> tuple[dict[str, str], str]:
    try:
        return read_dotenv(path), ""
    except SettingsError as error:
        return {}, str(error)


@given(st.lists(_LINES, max_size=6))
def test_no_file_carries_a_secret_of_the_shell_into_a_setting(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, list[str], str]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "random.env"
    path.write_text("".join(f"{name}={q}{''.join(v)}{q}\n" for name, v, q in lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHELL_SECRET", SECRET)
        found, error = attempt(path)
    assert SECRET not in error
    assert not [name for name in SETTINGS if SECRET in found.get(name, "")]


@pytest.mark.parametrize("marks", [1, 2])
def test_a_byte_order_mark_loses_no_key(dotenv: Path, marks: int) -> None:
    dotenv.write_text("\ufeff" * marks + "RUNPOD_API_KEY=k\nB=2\n", encoding="utf-8")
    assert read_dotenv(dotenv) == {"RUNPOD_API_KEY": "k", "B": "2"}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
def test_another_encoding_is_named_with_the_way_out(dotenv: Path, encoding: str) -> None:
    dotenv.write_text("A=1\nGREETING=grüße\n", encoding=encoding)
    with pytest.raises(SettingsError, match=r"\.env.* is not UTF-8 text; save it as UTF-8"):
        read_dotenv(dotenv)


def test_a_byte_that_is_no_text_is_found_by_its_line(dotenv: Path) -> None:
    dotenv.write_bytes(b"A=1\nB=\xff\n")
    with pytest.raises(SettingsError, match=r"\.env:2 cannot be read"):
        read_dotenv(dotenv)


@pytest.mark.parametrize("text", ["'A=B'=c", "=c", "A B=c"])
def test_what_cannot_be_a_variable_is_no_line(dotenv: Path, text: str) -> None:
    dotenv.write_text(f"OK=1\n{text}\n")
    with pytest.raises(SettingsError, match=r"\.env:2: not a NAME=value line"):
        read_dotenv(dotenv)
