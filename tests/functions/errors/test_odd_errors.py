"""What functions raise and log reaches the caller, also where it is unusual or made from text."""

from __future__ import annotations

import functools
import json
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_flash import CpuLiveServerless, remote
from pytest_flash.functions.calling.job_results import Outcome
from pytest_flash.functions.onworker import error_description
from pytest_flash.functions.onworker.signing import Signer
from tests.functions.workers import MinimalWorker

R = CpuLiveServerless(name="odd")


class FromBody(Exception):
    """An exception that takes over what a request said, as those of many clients do."""

    def __init__(self, text: str, body: dict[str, Any]) -> None:
        super().__init__(text)
        self.__dict__.update(body)


class Several(Exception):
    """It has ``exceptions``, and is no group."""

    def __init__(self, text: str, exceptions: tuple[Exception, ...]) -> None:
        super().__init__(text, exceptions)
        self.exceptions = exceptions


@remote(R)
def log(text: str) -> int:
    import logging

    logging.getLogger("some").warning("got " + text, 1)
    return 7


@remote(R)
def refuse(body: dict[str, Any]) -> None:
    raise FromBody("refused", body)


@remote(R)
def several() -> None:
    raise Several("all failed", (ValueError("one"),))


@remote(R)
def retry(times: int) -> None:
    last = None
    for number in range(times):
        try:
            raise KeyError(number) from last
        except KeyError as error:
            last = error
    assert last is not None
    raise last


@remote(R)
def at_line(line: int) -> None:
    import types

    try:
        raise KeyError("here")
    except KeyError as error:
        trace = error.__traceback__
        assert trace is not None
        other = types.TracebackType(None, trace.tb_frame, trace.tb_lasti, line)
        raise error.with_traceback(other) from None


@remote(R)
def of_a_module(module: str) -> None:
    raise type("Optional", (KeyError,), {"__module__": module})("refused")


def raised(outcome: Outcome) -> Exception:
    assert outcome.error is not None
    return outcome.error


@pytest.mark.parametrize("text", ["%s %s", "%d%", "%(name)s", "nothing to put it in"])
def test_a_wrong_logging_call_fails_nothing(minimal: MinimalWorker, text: str) -> None:
    """As in any process: logging prints what is wrong."""
    assert minimal.outcome(log.spec, (text,)).get() == 7


@pytest.mark.parametrize(
    "body",
    [
        {"__notes__": 5},
        {"__notes__": {"x": 1}},
        {"exceptions": 3},
        {"exceptions": ["x"]},
        {"exceptions": ()},
        {"args": ["forged"]},
        {"with_traceback": "x", "add_note": "x", "__reduce__": "x"},
        {"__class__": "x", "__dict__": {"x": 1}, "__cause__": "x", "__traceback__": "x"},
        {"remote_traceback": 3, "stdout": [], "job_id": {}, "worker_id": None},
    ],
    ids=lambda body: " ".join(body),
)
def test_attributes_from_a_request_change_no_exception(
    minimal: MinimalWorker, body: dict[str, Any]
) -> None:
    outcome = minimal.outcome(refuse.spec, (body,))
    error = raised(outcome)
    assert type(error) is FromBody
    assert (error.args, error.__cause__) == (("refused",), None)
    assert outcome.traceback is None or "raise FromBody" in outcome.traceback
    with pytest.raises(FromBody):
        outcome.get()


def test_exceptions_that_hold_others_stay_themselves(minimal: MinimalWorker) -> None:
    error = raised(minimal.outcome(several.spec))
    assert isinstance(error, Several)
    assert [str(each) for each in error.exceptions] == ["one"]


def test_a_long_chain_of_causes_arrives_whole(minimal: MinimalWorker) -> None:
    count = 2 * sys.getrecursionlimit()
    each: BaseException | None = raised(minimal.outcome(retry.spec, (count,)))
    assert isinstance(each, KeyError)
    numbers = []
    while each is not None:
        numbers.append(each.args[0])
        each = each.__cause__
    assert numbers == [*reversed(range(count))]


@pytest.mark.parametrize("line", [-5, 0, 1, 9999])
def test_tracebacks_made_by_libraries_are_not_an_error(minimal: MinimalWorker, line: int) -> None:
    error = raised(minimal.outcome(at_line.spec, (line,)))
    assert isinstance(error, KeyError)
    assert error.args == ("here",)


@pytest.fixture
def lazy() -> Iterator[str]:
    """The name of a module that has nothing of what it is asked for."""
    made = types.ModuleType("lazy_module")

    def refuse(name: str) -> Callable[..., Any]:
        raise ImportError(f"{name} needs a package that is not installed")

    made.__dict__["__getattr__"] = refuse
    sys.modules[made.__name__] = made
    yield made.__name__
    del sys.modules[made.__name__]


def test_a_class_that_a_module_refuses_here_is_not_an_error(
    minimal: MinimalWorker, lazy: str
) -> None:
    error = raised(minimal.outcome(of_a_module.spec, (lazy,)))
    assert isinstance(error, KeyError)
    assert type(error).__name__ == "Optional"


def test_a_library_may_replace_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json, "dumps", functools.partial(json.dumps, indent=2))
    signer = Signer(b"secret")
    line = error_description.signed(error_description.describe(KeyError("x"), ("", "", 0)), signer)
    assert error_description.find(f"before\n{line}\nafter\n", signer) is not None
