"""Members of JSON objects with their texts."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flash.emulator.server.http_errors import HttpError
from pytest_flash.emulator.server.json_members import parse_members
from pytest_flash.emulator.server.request_response import parse_object

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
_VALUES = st.recursive(
    _SCALARS.filter(lambda value: value not in (float("inf"), float("-inf"))),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_PIECES = ["{", "}", "[", "]", ":", ",", '"a"', '"input"', " ", "\n", "1", "1e999", "NaN", "null"]


@given(st.dictionaries(st.text(), _VALUES), st.sampled_from([None, 0, 3]), st.booleans())
def test_every_member_has_its_value_and_its_text(
    document: dict[str, Any], indent: int | None, ascii_only: bool
) -> None:
    body = json.dumps(document, indent=indent, ensure_ascii=ascii_only).encode()
    members = parse_members(body)
    assert {name: member.value for name, member in members.items()} == document
    assert {name: json.loads(member.text) for name, member in members.items()} == document


@given(st.lists(st.sampled_from(_PIECES), max_size=12).map("".join))
def test_what_is_refused_and_why_is_as_for_any_other_body(text: str) -> None:
    def values(body: bytes) -> dict[str, Any]:
        return {name: member.value for name, member in parse_members(body).items()}

    assert _outcome(values, text) == _outcome(parse_object, text)


def _outcome(parse: Callable[[bytes], dict[str, Any]], text: str) -> dict[str, Any] | str:
    try:
        return parse(text.encode())
    except HttpError as error:
        return error.detail


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_every_encoding_of_json_is_read_and_passed_on_as_utf_8(encoding: str) -> None:
    members = parse_members('{"input": {"ä": 1}}'.encode(encoding))
    assert json.loads(members["input"].text.decode("utf-8")) == {"ä": 1}


def test_halves_of_surrogate_pairs_stay_escaped() -> None:
    assert parse_members(b'{"input": "\\ud800"}')["input"].text == b'"\\ud800"'
    raw = '{"input": "\ud800"}'.encode("utf-8", "surrogatepass")
    assert parse_members(raw)["input"].text == b'"\\ud800"'


def test_of_members_of_one_name_the_last_counts() -> None:
    members = parse_members(b'{"input": 1, "input": [2]}')
    assert (members["input"].value, members["input"].text) == ([2], b"[2]")


def test_a_value_that_is_nested_too_deeply_is_refused() -> None:
    depth = 200_000
    with pytest.raises(HttpError):
        parse_members(b'{"input": ' + b"[" * depth + b"]" * depth + b"}")
