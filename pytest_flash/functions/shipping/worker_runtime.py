"""The text in front of every function: it sets up ``onworker`` on a worker that has not seen it."""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import inspect
import json
import re
import zlib
from importlib import import_module
from typing import Any

from .. import onworker
from ..onworker.bundle import Shipped, Value
from ..onworker.child_processes import BOOT
from ..onworker.entry_point import CallTarget

# Statements and lines of their own, in the way that our formatter writes them.
_DOCSTRING = re.compile(r'^( *)""".*?"""$', re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"^ *#.*\n", re.MULTILINE)


@functools.cache
def name() -> str:
    """The private name of the package on the worker: another version of it has another name."""
    return f"_flash_{hashlib.sha256(json.dumps(_sources()).encode()).hexdigest()[:12]}"


@functools.cache
def boot() -> str:
    """Source text that makes the package importable under ``name()``."""
    return BOOT.format(name=name(), packed=pack(_sources()))


def pack(value: object) -> str:
    """``value`` as compressed JSON in printable characters."""
    return packed(serialized(value))


def serialized(value: object) -> bytes:
    """``value`` as JSON."""
    return json.dumps(value).encode()


def packed(data: bytes) -> str:
    """``data``, compressed, in printable characters."""
    return base64.b85encode(zlib.compress(data)).decode()


def positional(value: CallTarget | Shipped | Value) -> tuple[Any, ...]:
    """The fields of ``value`` as the worker makes it again from them: in their order, without the
    defaults at the end, since they travel with every call."""
    fields = dataclasses.fields(value)
    values = [getattr(value, each.name) for each in fields]
    while values[-1] == fields[len(values) - 1].default:
        values.pop()
    return tuple(values)


@functools.cache
def _sources() -> list[tuple[str, str]]:
    modules = ((each, import_module(f"{onworker.__name__}.{each}")) for each in onworker.ORDER)
    return [(each, without_words(inspect.getsource(module))) for each, module in modules]


def without_words(source: str) -> str:
    """``source`` without docstrings and comments: a third of what would travel with every call."""
    return _COMMENT.sub("", _DOCSTRING.sub(r'\1""', source))
