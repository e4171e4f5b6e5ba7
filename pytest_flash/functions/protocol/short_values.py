"""Arguments and results in few words, for people to look at while calls are made."""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Mapping
from typing import Any

_LENGTH = 2_000


def shown(value: Any) -> str:
    """``value`` as its repr would show it, shortened to 2,000 characters.

    Long strings, bytes and collections are cut before they are turned into text; of arrays and
    tables the shape is told. Never raises, whatever the value's own ``__repr__`` does.
    """
    return _cut(_REPR.repr(value))


def shown_call(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """The arguments of a call as they stand between its brackets, shortened as ``shown`` does."""
    named = [f"{name}={_REPR.repr(value)}" for name, value in kwargs.items()]
    return _cut(", ".join([*map(_REPR.repr, args), *named]))


class _Repr(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdeque = 20
        self.maxarray = self.maxdict = 20
        self.maxstring = 400
        self.maxlong = 60
        self.maxother = 400

    def repr1(self, x: Any, level: int) -> str:
        """One value, whatever it does when it is looked at."""
        try:
            if isinstance(x, bytes | bytearray):
                return self._bytes(x)
            if _has_shape(x):
                return _shape(x)
            if dataclasses.is_dataclass(x) and not isinstance(x, type) and _has_written_repr(x):
                return self._dataclass(x, level)
            return super().repr1(x, level)
        except Exception as error:  # noqa: BLE001 - the value's own code may raise anything
            return f"<{type(x).__name__}, which raised {type(error).__name__} when looked at>"

    def _bytes(self, x: bytes | bytearray) -> str:
        if len(x) <= 64:
            return repr(x)
        return f"{x[:48]!r}... ({len(x):,} bytes)"

    def _dataclass(self, x: Any, level: int) -> str:
        if level <= 0:
            return f"{type(x).__name__}(...)"
        fields = [
            f"{each.name}={self.repr1(getattr(x, each.name), level - 1)}"
            for each in dataclasses.fields(x)
            if each.repr
        ]
        return f"{type(x).__name__}({', '.join(fields)})"


def _has_shape(x: Any) -> bool:
    """Whether ``x`` is an array or a table: turning one into text may be slow."""
    return not isinstance(x, type) and isinstance(getattr(x, "shape", None), tuple)


def _shape(x: Any) -> str:
    kind = getattr(x, "dtype", None)
    suffix = "" if kind is None else f", dtype={kind}"
    return f"{type(x).__name__}(shape={tuple(x.shape)}{suffix})"


def _has_written_repr(x: Any) -> bool:
    """Whether the dataclass decorator wrote the repr (it wraps it), so that we may shorten it."""
    return hasattr(type(x).__repr__, "__wrapped__")


def _cut(text: str) -> str:
    return text if len(text) <= _LENGTH else f"{text[: _LENGTH - 1]}…"


_REPR = _Repr()
