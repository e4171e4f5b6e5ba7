"""Values on their way to a worker: functions by their code, everything of the project by name."""

from __future__ import annotations

import importlib
import inspect
import io
import marshal
import operator
import pickle
import sys
import types
from collections.abc import Iterator
from typing import Any, NewType

import cloudpickle

from . import placeholders

# Where this module lives at the caller, whose pickles name it so.
_AT_CALLER = "pytest_flash.functions.onworker"


def loads(data: bytes) -> Any:
    """What the caller pickled."""
    return _Unpickler(io.BytesIO(data)).load()


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module.startswith(_AT_CALLER):
            module = f"{__package__}{module[len(_AT_CALLER) :]}"
        return super().find_class(module, name)


def dumps(value: Any) -> bytes:
    """What the caller reads: classes by their names, as far as they have any there."""
    file = io.BytesIO()
    _Pickler(file).dump(value)
    return file.getvalue()


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    def reducer_override(self, obj: Any) -> Any:
        if placeholders.lives_here(obj):
            raise TypeError("remote classes and their instances stay on the worker")
        if isinstance(obj, type | NewType):
            # A text is the name of a global of the class's own module.
            instead = subscription(obj) or next(names_of(obj), None)
            if instead is None and isinstance(obj, NewType) and not has_its_name(obj):
                instead = by_value(obj)
            if instead is not None:
                return instead
        return super().reducer_override(obj)


def subscription(kind: Any) -> tuple[Any, ...] | None:
    """How to make a class like ``Page[Item]``, which pydantic makes and no statement names."""
    metadata = vars(kind).get("__pydantic_generic_metadata__")
    if not isinstance(metadata, dict) or metadata.get("origin") is None:
        return None
    return operator.getitem, (metadata["origin"], metadata["args"])


def has_its_name(kind: Any) -> bool:
    """Whether the name that a class has at the top level of its module is its own."""
    return getattr(sys.modules.get(kind.__module__), kind.__qualname__, None) is kind


def by_value(kind: NewType) -> tuple[Any, ...]:
    """How to make a NewType that no name leads to, which pickle knows by its name alone."""
    return NewType, (kind.__name__, kind.__supertype__)


def names_of(kind: Any) -> Iterator[str]:
    """The names that a class which a call has made has at the top level of its module, where that
    is none that it was given: ``Model = create_model("Other")``."""
    space = vars(sys.modules.get(kind.__module__, types))
    if space.get("__name__") == kind.__module__ and space.get(kind.__qualname__) is not kind:
        yield from [n for n, value in list(space.items()) if value is kind and n.isidentifier()]


def named(module: str, path: str) -> Any:
    """The object at the dotted ``path`` in ``module``."""
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


def make_function(code: bytes, module: str, cells: int) -> types.FunctionType:
    """A function from marshalled code, with so many empty cells.

    It lives in the namespace of ``module``, or in one of its own if that is empty.
    """
    closure = tuple(types.CellType() for _ in range(cells))
    namespace = sys.modules[module].__dict__ if module else {}
    return types.FunctionType(marshal.loads(code), namespace, None, None, closure or None)


def fill_function(
    function: types.FunctionType, state: tuple[dict[str, Any], list[tuple[Any, ...]]]
) -> None:
    """Give a function its attributes, and its cells what they hold: one value or none.

    A synchronous remote function finds itself by its own name, as in ``source_edits.mark_remote``.
    """
    attributes, cells = state
    for name, value in attributes.items():
        setattr(function, name, value)
    for cell, content in zip(function.__closure__ or (), cells, strict=True):
        for value in content:
            own = placeholders.behind(value) is function and not inspect.iscoroutinefunction(
                function
            )
            cell.cell_contents = function if own else value
