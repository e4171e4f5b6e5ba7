"""The values of environment variables stay out of texts; names are checked."""

from __future__ import annotations

import traceback
import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flash.errors import ConfigurationError
from pytest_flash.provisioner.request_and_drift import endpoint_patch, endpoint_request
from pytest_flash.resources import KeyValuePair, LiveServerless, PodTemplate

SECRET = "hunter2-hunter2"
Gpu: Any = LiveServerless
Template: Any = PodTemplate
Pair: Any = KeyValuePair

_keys: st.SearchStrategy[object] = st.one_of(
    st.sampled_from(["A", "A B", f"TOKEN={SECRET}", "RUNPOD_API_KEY", "PYTEST_FLASH_OWNER", ""]),
    st.integers(),
    st.none(),
)
_values: st.SearchStrategy[object] = st.sampled_from(
    [SECRET, SECRET + "\0", [SECRET], {"nested": SECRET}, SECRET.encode(), None]
)
_envs: st.SearchStrategy[object] = st.one_of(
    st.dictionaries(_keys, _values, max_size=3),
    st.lists(_values, max_size=2),
    st.lists(st.fixed_dictionaries({"key": _keys, "value": _values}), max_size=2),
    st.sampled_from([SECRET, f"TOKEN={SECRET}", (SECRET,)]),
)
_forms = st.sampled_from(
    [
        lambda env: Gpu(name="x", env=env),
        lambda env: Gpu(name="x", env=env, workersMin="no", bogus=SECRET),
        lambda env: Gpu(name="x", environment=env),
        lambda env: Template(env=env),
        lambda env: Pair(key="A", value=env),
        lambda env: Gpu(name="x", template={"env": env}),
        lambda env: Gpu(name="x", template={"env": env}, workersMin=-1),
    ]
)


@given(_envs, _forms)
def test_no_value_appears_in_a_repr_or_an_error(env: object, make: Any) -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            text = repr(made := make(env)) + str(made)
        except ConfigurationError as error:
            # With whatever is chained to it.
            text = "".join(traceback.format_exception(error)[-1:]) + repr(error.__context__)
    assert SECRET not in text + "".join(str(each.message) for each in warned)


def test_reprs_show_the_names() -> None:
    template = PodTemplate(env=[KeyValuePair(key="B", value=SECRET)])
    resource = LiveServerless(name="x", env={"A": SECRET}, template=template)
    assert "env={'A': Ellipsis}" in repr(resource)
    assert "env={'B': Ellipsis}" in repr(resource)
    assert repr(KeyValuePair(key="B", value=SECRET)) == "KeyValuePair(key='B')"


def test_drift_shows_the_names_only() -> None:
    old = LiveServerless(name="x", env={"CHANGED": SECRET, "REMOVED": SECRET})
    new = LiveServerless(name="x", env={"CHANGED": SECRET * 2, "ADDED": SECRET})
    fixed = {"name": "live-x", "image": "i", "owner": "p/default"}
    drift = endpoint_patch(endpoint_request(old, **fixed), endpoint_request(new, **fixed))
    assert {change.field: (change.old, change.new) for change in drift.changes} == {
        "env.ADDED": (None, "(hidden)"),
        "env.CHANGED": ("(hidden)", "(hidden)"),
        "env.REMOVED": ("(hidden)", None),
    }
    assert SECRET not in repr(drift)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("A B", "is not a variable name"),
        ("1A", "is not a variable name"),
        ("", "is not a variable name"),
        ("A-B", "is not a variable name"),
        ("PYTEST_FLASH_OWNER", "is set by pytest-flash"),
        ("RUNPOD_ENDPOINT_ID", "is set by Runpod"),
        ("RUNPOD_WEBHOOK_GET_JOB", "is set by Runpod"),
        ("RUNPOD_TCP_PORT_22", "is set by Runpod"),
    ],
)
def test_names_that_cannot_be_set_are_refused_with_the_reason(name: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        LiveServerless(name="x", env={name: "value"})
    with pytest.raises(ConfigurationError, match=reason):
        PodTemplate(env={name: "value"})


@pytest.mark.parametrize("name", ["HF_TOKEN", "_x", "lower", "RUNPOD_LOG_LEVEL", "RUNPOD_DEBUG"])
def test_other_names_are_taken(name: str) -> None:
    assert LiveServerless(name="x", env={name: "value"}).env == {name: "value"}


@pytest.mark.parametrize("value", [1, None, True, b"x", "a\0b"])
def test_values_that_are_no_strings_are_refused(value: object) -> None:
    with pytest.raises(ConfigurationError, match=r"env: A (must be a string|contains a NUL)"):
        Gpu(name="x", env={"A": value})
