"""What the tests of remote functions share."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pytest_flash.functions.registry import FunctionSpec
from pytest_flash.functions.source import ship

# What the official worker does with a function, in a bare interpreter.
_WORKER = """\
import asyncio, inspect, json, sys, traceback
request = json.load(sys.stdin)
namespace = {}
for args in request["calls"]:
    exec(request["code"], namespace)
    try:
        value = namespace[request["name"]](*args)
        if inspect.iscoroutine(value):
            value = asyncio.run(value)
        print(json.dumps({"value": value}))
    except BaseException:
        print(json.dumps({"traceback": traceback.format_exc()}))
"""

_MODULES = count()


@pytest.fixture
def module(tmp_path: Path) -> Callable[[str], ModuleType]:
    """Write source to a file and import it."""

    def make(source: str) -> ModuleType:
        name = f"shipped_{next(_MODULES)}"
        path = tmp_path / f"{name}.py"
        path.write_bytes(source.encode())
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        made = importlib.util.module_from_spec(spec)
        sys.modules[name] = made
        spec.loader.exec_module(made)
        return made

    return make


@pytest.fixture
def on_worker() -> Callable[..., list[dict[str, Any]]]:
    """Ship a function and call it in an interpreter that has the standard library alone."""

    def call(spec: FunctionSpec, *calls: list[Any]) -> list[dict[str, Any]]:
        source = ship(spec)
        request: dict[str, Any] = {"code": source.code, "name": source.name, "calls": calls or [[]]}
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _WORKER],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    return call
