"""Errors that belong together: causes, contexts, notes, groups."""

from __future__ import annotations

import builtins
import sys
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from pytest_flash.errors import JobFailedError, RemoteError
from tests.functions.travelling import HEAD
from tests.functions.workers import MinimalWorker

Import = Callable[[dict[str, str]], Any]

MAIN = """
class Own(Exception):
    pass

@remote(gpu)
def cause(x):
    try:
        {}[x]
    except KeyError as error:
        raise ValueError("v") from error

@remote(gpu)
def context(x):
    try:
        raise Own(x)
    except Own:
        1 / 0

@remote(gpu)
def hidden(x):
    try:
        {}[x]
    except KeyError:
        raise ValueError("v") from None

@remote(gpu)
def deep(x):
    error = None
    for number in range(x):
        made = ValueError(number)
        made.__cause__ = error
        error = made
    raise error

@remote(gpu)
def circular(x):
    one, other = ValueError(1), KeyError(2)
    one.__cause__, other.__cause__ = other, one
    raise one

@remote(gpu)
def noted(x):
    error = ValueError("v")
    error.add_note("first")
    error.add_note("second")
    raise error

@remote(gpu)
def grouped(x):
    def inner():
        raise Own(x)
    errors = []
    for part in (inner, lambda: 1 / 0):
        try:
            part()
        except Exception as error:
            errors.append(error)
    raise ExceptionGroup("several", [*errors, ExceptionGroup("inner", [TypeError("t")])])
"""

needs_groups = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="Python 3.10 has neither notes nor groups"
)


@pytest.fixture
def raised(project: Import, minimal: MinimalWorker) -> Callable[..., Any]:
    main = project({"main.py": HEAD + MAIN})

    def call(name: str, x: int = 1) -> Any:
        function = getattr(main, name)
        return minimal.outcome(function.spec, (x,)).error, main

    return call


def test_a_cause_survives_with_its_traceback(raised: Callable[..., Any]) -> None:
    error, main = raised("cause")
    assert isinstance(error, ValueError)
    assert type(error.__cause__) is KeyError
    assert error.__suppress_context__
    printed = "".join(traceback.format_exception(error))
    assert "The above exception was the direct cause" in printed
    assert printed.count(f'File "{main.__file__}"') == 2


def test_a_context_survives_as_the_class_it_is_of(raised: Callable[..., Any]) -> None:
    error, main = raised("context")
    assert isinstance(error, ZeroDivisionError)
    assert type(error.__context__) is main.Own
    printed = "".join(traceback.format_exception(error))
    assert "During handling of the above exception" in printed


def test_what_was_hidden_stays_hidden(raised: Callable[..., Any]) -> None:
    error, _ = raised("hidden")
    assert "KeyError" not in "".join(traceback.format_exception(error))


def test_a_long_chain_and_a_circle_arrive(raised: Callable[..., Any]) -> None:
    error, _ = raised("deep", 50)
    each, seen = error, 0
    while each is not None:
        each, seen = each.__cause__, seen + 1
    assert seen == 50
    error, _ = raised("circular")
    assert isinstance(error, ValueError)
    cause: Any = error.__cause__
    assert cause.__cause__ is error


@needs_groups
def test_notes_survive(raised: Callable[..., Any]) -> None:
    error, _ = raised("noted")
    assert error.__notes__ == ["first", "second"]


@needs_groups
def test_a_group_survives_with_its_members(raised: Callable[..., Any]) -> None:
    error, main = raised("grouped")
    assert isinstance(error, RemoteError)
    assert isinstance(error, JobFailedError)
    assert isinstance(error, vars(builtins)["ExceptionGroup"])
    assert str(error) == "several (3 sub-exceptions)"
    own, division, inner = error.exceptions
    assert type(own) is main.Own
    assert type(division) is ZeroDivisionError
    assert [type(each) for each in inner.exceptions] == [TypeError]
    assert error.subgroup(main.Own) is not None
    assert "1 / 0" in "".join(traceback.format_exception(error))
