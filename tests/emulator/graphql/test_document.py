"""GraphQL documents are read as official clients write them, and nothing else."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flash.emulator.graphql.document import DEPTH_LIMIT, Field, root_fields
from pytest_flash.emulator.server.http_errors import HttpError


def test_a_named_operation_with_variables() -> None:
    query = """
    mutation saveEndpoint($input: EndpointInput!, $ids: [String!] = ["a"]) {
      # a comment
      saveEndpoint(input: $input) { id, networkVolumeIds { networkVolumeId } }
    }"""
    assert root_fields(query, {"input": {"name": "x"}}) == (
        Field(
            "saveEndpoint",
            {"input": {"name": "x"}},
            (Field("id"), Field("networkVolumeIds", {}, (Field("networkVolumeId"),))),
        ),
    )


def test_an_anonymous_query_with_literals() -> None:
    query = '{ myself { endpoint(id: "a\\"b", n: [-1, 2.5], e: QB, o: {t: true, z: null}) {id} } }'
    (myself,) = root_fields(query, {})
    assert myself.selection[0].arguments == {
        "id": 'a"b',
        "n": [-1, 2.5],
        "e": "QB",
        "o": {"t": True, "z": None},
    }


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("", "ends too early"),
        ("{", "ends too early"),
        ("{ }", "empty"),
        ("{ a } { b }", "follows"),
        ("{ ...part }", "fragments"),
        ("{ a: b }", "aliases"),
        ("{ a @skip(if: true) }", "a name is expected"),
        ('{ a(b: """c""") }', "not expected"),
        ("subscription { a }", "'{' is expected"),
        ("query ($a: [X) { b }", "ends too early"),
        ("{ a " * (DEPTH_LIMIT + 1) + "}" * (DEPTH_LIMIT + 1), "nested"),
        ("{ a(b: " + "[" * 5000, "nested"),
        ("query (" + "[" * 5000, "nested"),
        ("{ a(b: 1" + "0" * 5000 + ") }", "not expected"),
    ],
)
def test_what_cannot_be_read_is_refused(query: str, problem: str) -> None:
    with pytest.raises(HttpError, match=problem):
        root_fields(query, {})


_NAMES = st.from_regex(r"[a-z_][a-zA-Z0-9_]{0,5}", fullmatch=True).filter(
    lambda name: name not in ("query", "mutation")
)
_FIELDS = st.recursive(
    st.builds(Field, _NAMES),
    lambda inner: st.builds(
        Field, _NAMES, st.just({}), st.lists(inner, min_size=1, max_size=3).map(tuple)
    ),
    max_leaves=8,
).filter(lambda field: _depth(field) < DEPTH_LIMIT)


def _depth(field: Field) -> int:
    return 1 + max(map(_depth, field.selection), default=0)


def _written(field: Field) -> str:
    inner = " ".join(map(_written, field.selection))
    return f"{field.name} {{{inner}}}" if inner else field.name


@given(st.lists(_FIELDS, min_size=1, max_size=3))
def test_a_written_selection_reads_as_it_was(fields: list[Field]) -> None:
    assert root_fields("{" + ",".join(map(_written, fields)) + "}", {}) == tuple(fields)


@given(st.text(alphabet='{}()[]:$="\\.a1 \n#-', max_size=40))
def test_any_text_is_read_or_refused(query: str) -> None:
    with contextlib.suppress(HttpError):  # anything else is an error of the emulator's
        assert root_fields(query, {})
