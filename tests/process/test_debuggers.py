"""Debuggers are seen by what they load and by what they leave in the environment."""

from __future__ import annotations

import sys
import types

import pytest

from pytest_flash.process.debuggers import is_debugged


def test_without_a_debugger_there_is_none() -> None:
    assert not is_debugged({"PATH": "/bin", "PYDEVD_DISABLE_FILE_VALIDATION": "1"})


def test_a_variable_of_pydevd_is_a_mark() -> None:
    assert is_debugged({"PYDEVD_LOAD_VALUES_ASYNC": "True"})


@pytest.mark.parametrize("name", ["debugpy", "pydevd"])
def test_a_loaded_debugger_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    assert is_debugged({})
