"""Reading a FunctionRequest and writing job-done, for any JSON."""

from __future__ import annotations

import base64
import json
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flash.emulator.worker.function_protocol import (
    FunctionRequest,
    FunctionResponse,
    RequestError,
)

names = st.sampled_from([one.name for one in fields(FunctionRequest)])
scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
texts = st.text(min_size=1, max_size=5)


@given(values | st.dictionaries(names | st.text(max_size=5), values, max_size=8))
def test_any_json_is_a_request_or_a_request_error(value: object) -> None:
    try:
        request = FunctionRequest.from_input(value)
    except RequestError:
        return
    assert isinstance(value, dict)
    assert all(getattr(request, key) == value[key] for key in value if hasattr(request, key))


@given(
    texts,
    st.lists(texts, max_size=3),
    st.none() | st.lists(texts, max_size=3),
    st.dictionaries(st.sampled_from(["modules", "newer_field"]), values),
)
def test_a_valid_request_is_read_and_unknown_fields_are_ignored(
    name: str, args: list[str], dependencies: list[str] | None, unknown: dict[str, object]
) -> None:
    known = {"function_name": name, "function_code": "pass", "args": args}
    request = FunctionRequest.from_input({**known, "dependencies": dependencies, **unknown})
    assert (request.function_name, request.args) == (name, args)
    assert request.dependencies == dependencies
    assert (request.kwargs, request.method_name) == ({}, "__call__")


def test_every_wrong_field_is_listed() -> None:
    with pytest.raises(RequestError) as caught:
        FunctionRequest.from_input({"args": 1, "kwargs": 2, "dependencies": 3, "class_name": 4})
    assert str(caught.value).splitlines()[1:] == [
        "args: expected a list of strings",
        "kwargs: expected an object of strings",
        "dependencies: expected a list of strings or null",
        "class_name: expected a string or null",
    ]


_RESULTS = st.none() | st.text(max_size=5) | st.binary(max_size=5).map(base64.b64encode)


@given(st.booleans(), _RESULTS, st.none() | st.text(max_size=5))
def test_job_done_carries_an_error_beside_the_output_only_when_there_is_one(
    success: bool, result: bytes | str | None, error: str | None
) -> None:
    response = FunctionResponse(success, result=result, error=error, stdout="out")
    done = json.loads(response.to_job_done())
    assert done.keys() == ({"output", "error"} if error else {"output"})
    assert done.get("error") == (error or None)
    assert "error" not in done["output"]
    text = result.decode() if isinstance(result, bytes) else result
    assert (done["output"]["success"], done["output"]["result"]) == (success, text)
    assert json.loads(response.to_json()) == {**done["output"], "error": error}
