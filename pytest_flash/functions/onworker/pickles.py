"""Values on their way to a worker: functions by their code, everything of the project by name."""

from __future__ import annotations

import importlib
import inspect
import io
import marshal
import pickle
import sys
import types
from typing import Any

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
