"""What travels with a function, on the emulator's worker and on one that does the least."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from pytest_flash.functions.calling.calls import RemoteCalls
from tests.functions.travelling import (
    by_path,
    code,
    introspection,
    modules,
    processes,
    values,
    wrapping,
)
from tests.functions.workers import MinimalWorker

Import = Callable[[dict[str, str]], Any]
PARTS = (modules, values, code, introspection, wrapping, by_path, processes)
CASES = {name: case for each in PARTS for name, case in each.CASES.items()}


def test_there_are_enough_cases() -> None:
    assert len(CASES) == sum(len(each.CASES) for each in PARTS) >= 60


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("worker", ["ours", "minimal"])
def test_it_travels(
    project: Import, minimal: MinimalWorker, ours: RemoteCalls, worker: str, name: str
) -> None:
    case = CASES[name]
    function = project({"main.py": case.head + case.main, **case.files}).f
    if worker == "ours":
        result = asyncio.run(ours.call(function.spec, case.args, {}))
    else:
        result = minimal.outcome(function.spec, case.args).get()
    assert result == case.result
