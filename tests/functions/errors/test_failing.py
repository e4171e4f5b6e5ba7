"""How functions fail, on the emulator's worker and on one that does the least."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Callable
from typing import Any

import pydantic
import pytest

from pytest_flash.errors import CannotTravelError, RemoteError
from pytest_flash.functions.calling.calls import RemoteCalls
from pytest_flash.functions.shipping.payload import Shipping
from tests.functions.errors.failing import CASES, REFUSED
from tests.functions.travelling import HEAD
from tests.functions.workers import MinimalWorker

Import = Callable[[dict[str, str]], Any]
KEY = "the-users-own-runpod-key"


def shown_at_last(error: BaseException) -> tuple[str, str]:
    """The file of the last frame of a printed traceback, and the line it shows."""
    lines = "".join(traceback.format_exception(error)).splitlines()
    last = max(i for i, line in enumerate(lines) if line.startswith('  File "'))
    return lines[last].split('"')[1], lines[last + 1].strip()


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 40


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("worker", ["ours", "minimal"])
def test_it_fails(
    project: Import, minimal: MinimalWorker, ours: RemoteCalls, worker: str, name: str
) -> None:
    case = CASES[name]
    main = project({"main.py": HEAD + case.main, **case.files})

    def call() -> None:
        if worker == "ours":
            asyncio.run(ours.call(main.f.spec, case.args, {}))
        else:
            minimal.outcome(main.f.spec, case.args).get()

    with pytest.raises(Exception) as caught:  # noqa: PT011 - the table says which
        call()

    error = caught.value
    kinds = type(error).__mro__
    assert case.raises in {kind.__name__ for kind in kinds}
    if name != "a str that raises":
        assert case.message in str(error)
    file, line = shown_at_last(error)
    assert file == main.__file__.replace("main.py", case.file)
    assert line == case.line or (not case.line and line.startswith(("@remote", "def f")))
    if "argument" in name:
        return  # Such a call is not sent.
    assert isinstance(error, RemoteError) is case.remote
    told: Any = error
    assert told.job_id
    assert told.endpoint_id
    assert told.worker_id
    assert case.line in told.remote_traceback


def test_an_exception_that_is_written_in_another_language(
    project: Import, ours: RemoteCalls
) -> None:
    main = project(
        {
            "main.py": HEAD + "import pydantic\nclass Body(pydantic.BaseModel):\n    n: int\n"
            "@remote(gpu, dependencies=['pydantic'])\ndef f(x):\n    return Body(n=x)\n"
        }
    )
    with pytest.raises(pydantic.ValidationError) as caught:
        asyncio.run(ours.call(main.f.spec, ("no number",), {}))
    assert caught.value.errors()[0]["loc"] == ("n",)
    assert "return Body(n=x)" in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused(project: Import, name: str) -> None:
    source, message = REFUSED[name]
    main = project({"main.py": HEAD + source})
    argument = threading.Lock() if "argument" in name else 1

    with pytest.raises(CannotTravelError) as caught:
        Shipping([KEY], lambda _: ()).call(main.f.spec, (argument,), {})

    assert message in str(caught.value)
    assert KEY not in str(caught.value)
    assert main.__file__ in str(caught.value)
    assert shown_at_last(caught.value)[0] == main.__file__
