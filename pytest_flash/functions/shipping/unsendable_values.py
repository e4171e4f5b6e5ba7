"""Values that belong to this process, and what to send in their place."""

from __future__ import annotations

import functools
import pickle
import sys
from typing import Any

_REQUEST = "is answered here; pass what is needed of it, such as await request.json()"
_AWAIT = "has not been awaited; await it, and pass what it gives"
_FILE = "is open here; pass its content, or open the file inside the function"
_DATABASE = "is connected here; pass rows as plain data, or connect inside the function"
_ITEMS = "makes its items here; pass a list of them"

_INSTEAD = {
    "starlette.requests.HTTPConnection": _REQUEST,
    "starlette.applications.Starlette": "is served here; pass what is needed of it",
    "starlette.datastructures.UploadFile": "is kept here; pass what await file.read() gives",
    "builtins.coroutine": _AWAIT,
    "_asyncio.Future": _AWAIT,
    "builtins.generator": _ITEMS,
    "builtins.async_generator": _ITEMS,
    "_io.FileIO": _FILE,
    "_io.BufferedReader": _FILE,
    "_io.BufferedWriter": _FILE,
    "_io.BufferedRandom": _FILE,
    "_io.TextIOWrapper": _FILE,
    "sqlite3.Connection": _DATABASE,
    "sqlalchemy.orm.session.Session": _DATABASE,
    "sqlalchemy.ext.asyncio.session.AsyncSession": _DATABASE,
}


class UnsendableError(pickle.PicklingError):
    """A value that is of use here alone; the text says why, and what to pass."""


def refuse(value: Any) -> None:
    """Raise UnsendableError for what some pickle gladly, to be of no use elsewhere, or refuse
    without a word on what to do."""
    instead = _instead(type(value))  # type: ignore[arg-type] # classes are hashable
    if instead is not None and value is not sys.stdout and value is not sys.stderr:
        raise UnsendableError(f"{a(value)} {instead}")


def clause(error: object) -> str:
    """What an error says, to go on behind it: without the full stop that it may end in."""
    return str(error).rstrip().rstrip(".")


def a(value: Any) -> str:
    """The name of the value's type behind its article."""
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


@functools.lru_cache(maxsize=1024)
def _instead(kind: type) -> str | None:
    names = (f"{each.__module__}.{each.__qualname__}" for each in kind.__mro__)
    return next((_INSTEAD[name] for name in names if name in _INSTEAD), None)
