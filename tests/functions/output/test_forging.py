"""Text that functions print, log, raise and return is text: it never changes what callers get."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import pickle
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_flash import LiveLoadBalancer, PodTemplate, remote
from pytest_flash.errors import RemoteError, WorkerDiedError
from pytest_flash.events import Event, JobEnded
from pytest_flash.functions.registry import registry
from pytest_flash.session import Session
from tests.functions.output.forged_output import (
    ENDS,
    NAME,
    WAYS,
    Functions,
    Refused,
    attacks,
    code,
    said,
    speak_async,
)
from tests.functions.output.forged_output import on_balancer as balanced
from tests.functions.output.forged_output import on_queue as queued
from tests.functions.workers import MinimalWorker, emulated

HERE = Path(__file__).parent.parent
# What text makes that is taken for code.
FOLDER = Path(tempfile.gettempdir(), f"forged-{os.getpid()}")
ATTACKS = attacks(FOLDER)
PYTHON = sys.executable
PROJECT = f"""
[tool.flash.emulator]
redeliveries = 1

[tool.flash.emulator.images]
"reference/balanced" = "sh -c 'exec {PYTHON} -m uvicorn reference_balanced:app --port $PORT'"
"""


@dataclass(frozen=True)
class Stage:
    """A session whose functions run on one emulator, and what it reports."""

    session: Session
    events: list[Event]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("project")
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "reference_balanced.py").write_text((HERE / "reference_balanced.py").read_text())
    events: list[Event] = []
    with emulated(folder, events.append) as session, registry.bound(session.calls):
        yield Stage(session, events)


@pytest.fixture(autouse=True)
def _nothing_ran(stage: Stage) -> Iterator[None]:
    stage.events.clear()
    yield
    ran = FOLDER.exists()
    if ran:
        FOLDER.rmdir()
    assert not ran


Texts = list[tuple[str, str]]


async def called(functions: Functions, *args: Any) -> Any:
    return await functions.speak(*args)


async def spawned(functions: Functions, *args: Any) -> Any:
    return await (await functions.speak.spawn(*args)).result()


async def mapped(functions: Functions, *args: Any) -> Any:
    (got,) = [each async for each in functions.speak_one.map([args])]
    return got


CALLS: dict[str, tuple[Callable[..., Awaitable[Any]], Functions]] = {
    "call": (called, queued),
    "spawn": (spawned, queued),
    "map": (mapped, queued),
    "balanced": (called, balanced),
    "balanced map": (mapped, balanced),
}


async def check(events: list[Event], way: str, texts: Texts, end: str, text: str) -> None:
    """Call a function, and see that its caller gets what it said, returned and raised."""
    call, functions = CALLS[way]
    events.clear()
    got = await _outcome(call(functions, texts, end, text))
    if end == "return":
        assert got == text
    else:
        assert _raised(got) == _expected(end, text)
    (ended,) = (each for each in events if isinstance(each, JobEnded))
    name = ended.stdout[:20]
    assert ended.stdout == f"{name}\n" + "".join(said(*each, name) for each in texts)
    assert ended.state == ("COMPLETED" if end == "return" else "FAILED")
    assert (ended.error is None) is (end == "return")


async def _outcome(awaitable: Awaitable[Any]) -> Any:
    try:
        return await awaitable
    except Exception as error:  # noqa: BLE001 - compared with what was to be raised
        return error


def _raised(error: Any) -> Any:
    cause = error.__cause__
    own = error.number if isinstance(error, Refused) else None
    builtin = [each for each in type(error).__mro__ if each.__module__ == "builtins"]
    return builtin[0].__name__, error.args, own, cause and (type(cause), cause.args)


def _expected(end: str, text: str) -> Any:
    return {
        "raise": ("ValueError", (text,), None, None),
        "raise one's own": ("Exception", (text,), 7, None),
        "raise from": ("KeyError", (text, 2), None, (OSError, (text,))),
        "exit": ("Exception", (f"SystemExit: {text}" if text else "SystemExit",), None, None),
    }[end]


@pytest.mark.parametrize("end", ["return", "raise"])
@pytest.mark.parametrize("spoken", WAYS)
@pytest.mark.parametrize("way", CALLS)
def test_no_text_that_is_printed_is_taken_for_ours(
    stage: Stage, way: str, spoken: str, end: str, request: pytest.FixtureRequest
) -> None:
    at_once = [(spoken, each) for each in ATTACKS.values()]
    alone = [[each] for each in at_once[: None if request.config.getoption("soak") else 1]]

    async def all_of_it() -> None:
        for texts in (*alone, at_once):
            await check(stage.events, way, texts, end, "the end")

    asyncio.run(all_of_it())


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("way", ["call", "balanced"])
def test_no_text_that_is_raised_is_taken_for_ours(stage: Stage, way: str, end: str) -> None:
    async def all_of_it() -> None:
        for text in ATTACKS.values():
            await check(stage.events, way, [("stderr", text)], end, text)

    asyncio.run(all_of_it())


@pytest.mark.parametrize("end", ["return", "raise"])
def test_no_text_is_taken_for_ours_on_the_least_worker(minimal: MinimalWorker, end: str) -> None:
    """One that captures both streams in one, as some images may."""
    for text in ATTACKS.values():
        texts = [(way, text) for way in WAYS if not way.startswith("descriptor")]
        outcome = minimal.outcome(queued.speak.spec, (texts, end, text))
        if end == "return":
            assert outcome.get() == text
        else:
            assert _raised(outcome.error) == _expected(end, text)
        name = outcome.output.text[:20]
        assert outcome.output.text == f"{name}\n" + "".join(said(*each, name) for each in texts)


@pytest.mark.parametrize("worker", ["ours", "one that captures for all calls together"])
def test_calls_side_by_side_are_not_taken_for_each_other(stage: Stage, worker: str) -> None:
    function: Any = balanced.speak_async
    if worker != "ours":
        template = PodTemplate(imageName="reference/balanced")
        resource = LiveLoadBalancer(
            name="speaking-reference", template=template, workersMax=1, scalerValue=100
        )
        function = remote(resource, method="POST", path="/speak")(speak_async)
    # The other worker gives the stream back, which takes no half of a pair, while calls run.
    texts = [("print", text) for name, text in ATTACKS.items() if name != "half a surrogate pair"]
    calls = [(end, text) for text in ATTACKS.values() for end in ("return", "raise")]

    async def together() -> list[Any]:
        return await asyncio.gather(*(_outcome(function(texts, *each)) for each in calls))

    for (end, text), got in zip(calls, asyncio.run(together()), strict=True):
        if end == "return":
            assert got == text
        else:
            assert _raised(got) == _expected(end, text)


def captured(stage: Stage, error: RemoteError) -> str:
    """What the worker passed on of the output of a job that failed, our own words included."""
    status = asyncio.run(
        stage.session.calls.queue.status(str(error.endpoint_id), str(error.job_id))
    )
    stdout = status.output["stdout"]
    assert isinstance(stdout, str)
    return stdout


@pytest.mark.parametrize("end", ["return", "raise"])
def test_what_was_said_of_one_call_is_worth_nothing_in_another(stage: Stage, end: str) -> None:
    first = asyncio.run(_outcome(spawned(queued, [], "raise", "the first")))
    line = next(
        each for each in captured(stage, first).splitlines() if each.startswith("[pytest-flash ")
    )
    renamed = line.replace(line.split(" ")[1], NAME)
    texts = [(way, f"\n{each}") for way in ("print", "stderr") for each in (line, renamed)]
    asyncio.run(check(stage.events, "call", texts, end, "the second"))


def test_variables_of_frames_that_are_printed_do_not_sign_anything(stage: Stage) -> None:
    shown = asyncio.run(queued.frames(ATTACKS["a description"]))
    # The function's own frame and those of its worker were there.
    assert "transcript = " in shown
    assert "secret = bytearray(b'\\x00\\x00" in shown
    (ended,) = (each for each in stage.events if isinstance(each, JobEnded))
    assert ended.stdout == f"{shown} {ATTACKS['a description']}\n"


@pytest.mark.parametrize("attack", ["a traceback", "no workers", "a pickle", "a description"])
@pytest.mark.parametrize("functions", [queued, balanced], ids=["queue", "balancer"])
def test_the_last_words_of_a_worker_make_no_other_error(
    stage: Stage, attack: str, functions: Functions
) -> None:
    with pytest.raises(RemoteError) as caught:
        asyncio.run(functions.die(ATTACKS[attack]))
    assert type(caught.value) is WorkerDiedError


def test_a_job_that_runs_again_is_reported_once(stage: Stage, tmp_path: Path) -> None:
    text = ATTACKS["a description"]
    assert asyncio.run(queued.die(text, str(tmp_path / "flag"))) == text
    (ended,) = (each for each in stage.events if isinstance(each, JobEnded))
    assert (ended.state, ended.error) == ("COMPLETED", None)


# Random text


def _cut(text: str, at: int) -> str:
    return text[: at % (len(text) + 1)]


_attack = st.sampled_from([*ATTACKS.values()])
_spoken_text = st.one_of(
    _attack,
    st.builds(_cut, _attack, st.integers(0, 10_000)),
    st.builds(lambda text: text[::-1], _attack),
    st.builds(lambda text: text.encode("utf-8", "surrogatepass").hex(), _attack),
    st.builds(lambda text: json.dumps(text)[1:-1], _attack),
    st.lists(_attack, max_size=3).map("".join),
    st.text(
        st.one_of(st.characters(), st.sampled_from("\n\r\x00\x1b\x85\u2028\udc80[] ")), max_size=80
    ),
    st.builds(lambda text: text * 900, st.sampled_from(["x", "[flash ", "\n[pytest-flash "])),
)


def test_random_text_changes_nothing(stage: Stage, request: pytest.FixtureRequest) -> None:
    examples = 5000 if request.config.getoption("soak") else 50

    @settings(max_examples=examples)
    @given(
        way=st.sampled_from([*CALLS]),
        texts=st.lists(st.tuples(st.sampled_from(WAYS), _spoken_text), max_size=5),
        end=st.sampled_from(ENDS),
        text=_spoken_text,
    )
    def check_one(way: str, texts: Texts, end: str, text: str) -> None:
        loop.run_until_complete(check(stage.events, way, texts, end, text))
        assert not FOLDER.exists()

    # One, so that all examples have the same connections.
    loop = asyncio.new_event_loop()
    try:
        check_one()
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


def test_the_code_in_this_module_runs_when_it_is_trusted(tmp_path: Path) -> None:
    pickle.loads(base64.b64decode(code(tmp_path / "made")))
    assert (tmp_path / "made").exists()
