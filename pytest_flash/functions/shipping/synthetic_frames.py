"""Tracebacks with frames that never ran here: of the user's lines, and of what a worker ran."""

from __future__ import annotations

import ast
import linecache
import sys
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..onworker.parsing import parse

_REMOTE = "__flash_remote_frame__"


@dataclass(frozen=True)
class RemoteFrame:
    """A line that was executed, in a function whose code begins at line ``first``. ``text`` is the
    line's source; ``columns`` are end line, first and last column, where Python knew them."""

    file: str
    line: int
    name: str
    first: int
    text: str
    columns: tuple[int, int, int] | None = None


def traceback_of(frames: Sequence[RemoteFrame]) -> types.TracebackType | None:
    """A traceback with these frames, which Python, pytest and debuggers print like any other."""
    trace = None
    for each in reversed(frames):
        _remember(each)
        frame = _frame(each, {})
        trace = types.TracebackType(trace, frame.tb_frame, frame.tb_lasti, each.line)
    return trace


E = TypeVar("E", bound=BaseException)


def at(error: E, file: str, line: int, name: str) -> E:
    """``error`` with a traceback that ends in that line of the user's, where nothing ran."""
    frame = RemoteFrame(file, line, name, line, linecache.getline(file, line))
    return error.with_traceback(traceback_of([frame]))


def entered(where: str, name: str, trace: types.TracebackType | None) -> types.TracebackType:
    """``trace`` behind a frame that says ``where`` it was; pytest shows all but that frame."""
    frame = _frame(RemoteFrame(where, 1, name, 1, ""), {"__tracebackhide__": True})
    return types.TracebackType(trace, frame.tb_frame, -1, 1)


def remote_part(trace: types.TracebackType | None) -> types.TracebackType | None:
    """The frames of ``trace`` that a worker gave; None where it has none."""
    while trace is not None and _REMOTE not in trace.tb_frame.f_globals:
        trace = trace.tb_next
    return trace


class _RaisedError(Exception):
    pass


def _frame(of: RemoteFrame, variables: Mapping[str, Any]) -> types.TracebackType:
    """The frame of a function of that name that raised at that place.

    Compiled, since Python has no other way to say a place: the table of positions that a code
    object can be given is a private matter of each of its versions.
    """
    end_line, column, end_column = of.columns or (of.line, 0, 0)
    tree = parse("def function():\n raise error")
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    for node in ast.walk(function.body[0]):
        if isinstance(node, ast.stmt | ast.expr):
            node.lineno, node.end_lineno = of.line, end_line
            node.col_offset, node.end_col_offset = column, end_column
    function.lineno, function.end_lineno = min(of.first, of.line), max(end_line, of.line)
    module = compile(tree, of.file, "exec")
    code = next(each for each in module.co_consts if isinstance(each, types.CodeType))
    code = code.replace(co_name=of.name)
    if sys.version_info >= (3, 11):
        code = code.replace(co_qualname=of.name)
    known = {"error": _RaisedError(), "__name__": of.name, _REMOTE: True}
    try:
        exec(code, {**known, **variables})
    except _RaisedError as error:
        trace = error.__traceback__
        assert trace is not None
        assert trace.tb_next is not None
        return trace.tb_next
    raise AssertionError("unreachable")


def _remember(frame: RemoteFrame) -> None:
    """Let tracebacks show a line of a file that only the worker has."""
    if not frame.text or Path(frame.file).exists():
        return
    known = linecache.cache.get(frame.file)
    lines = list(known[2]) if known is not None and len(known) == 4 else []
    lines += ["\n"] * (frame.line - len(lines))
    lines[frame.line - 1] = frame.text
    linecache.cache[frame.file] = (len(lines), None, lines, frame.file)
