"""``sys.stdout`` and ``sys.stderr`` of a function, beyond ``print``; and loops inside one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_flash import CpuLiveServerless, remote
from pytest_flash.events import Event, JobEnded
from pytest_flash.functions.registry import registry
from tests.functions.workers import emulated

CPU = CpuLiveServerless(name="streams", workersMax=1)


@remote(CPU)
def uses(what: str) -> Any:
    import faulthandler
    import io
    import sys

    stream: Any = sys.stdout
    if what == "reconfigure":
        sys.stdout.reconfigure(encoding="utf-8", errors="replace", line_buffering=True)  # type: ignore[union-attr]
        print("reconfigured")
    elif what == "buffer":
        for part in ("ä".encode()[:1], "ä".encode()[1:], memoryview(b"bc\n"), b"\xff\n"):
            assert sys.stdout.buffer.write(part) == len(part)
        sys.stdout.buffer.flush()
        # What is written to either arrives in order.
        print("text")
        stream.buffer.raw.write(b"raw\n")
    elif what == "wrapped":
        # As programs of Python 2's time do, and some that want their own encoding.
        own = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", write_through=True)
        print("wrapped ü", file=own)
        own.detach()
    elif what == "attributes":
        mode = (stream.mode, stream.buffer.mode, stream.write_through)
        return stream.encoding, sys.stderr.encoding, stream.errors, stream.isatty(), *mode
    elif what == "fileno":
        faulthandler.enable(sys.stderr)
        faulthandler.disable()
        return sys.stdout.fileno(), sys.stderr.fileno()
    return None


async def _work() -> int:
    return 3


@remote(CPU)
def runs_a_loop() -> int:
    import asyncio

    work = _work()
    try:
        return asyncio.run(work)
    finally:
        work.close()


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Event]]:
    found: list[Event] = []
    folder = tmp_path_factory.mktemp("streams")
    with emulated(folder, found.append) as session, registry.bound(session.calls):
        yield found


@pytest.mark.parametrize(
    ("what", "printed"),
    [
        ("reconfigure", "reconfigured\n"),
        ("buffer", "äbc\n\\xff\ntext\nraw\n"),
        ("wrapped", "wrapped ü\n"),
    ],
)
def test_what_is_written_in_other_ways_is_kept(
    events: list[Event], what: str, printed: str
) -> None:
    events.clear()
    asyncio.run(uses(what))
    (end,) = (each for each in events if isinstance(each, JobEnded))
    assert end.stdout == printed


def test_encoding_and_descriptor_are_those_of_a_stream(events: list[Event]) -> None:
    attributes = ("utf-8", "utf-8", "backslashreplace", False, "w", "wb", True)
    assert asyncio.run(uses("attributes")) == attributes
    assert asyncio.run(uses("fileno")) == (1, 2)


def test_a_loop_inside_a_synchronous_function_is_explained(events: list[Event]) -> None:
    with pytest.raises(RuntimeError, match=r"cannot be called from a running event loop") as caught:
        asyncio.run(runs_a_loop())
    assert "define runs_a_loop" in str(caught.value)
    assert "with async def" in str(caught.value)
