"""What the loaded modules of the user's look like on disk."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from pytest_flash.functions.shipping.loaded_source import LoadedTexts


class Library:
    """Says that it is a module and has no namespace, as libraries that cffi opens."""

    __slots__ = ()

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return ModuleType


def test_what_only_calls_itself_a_module_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library()
    assert isinstance(library, ModuleType)
    monkeypatch.setitem(sys.modules, "a_library.lib", library)
    LoadedTexts().keep()
