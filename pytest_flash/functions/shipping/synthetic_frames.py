"""Tracebacks with frames that never ran here: of the user's lines, and of what a worker ran."""

from __future__ import annotations

import ast
import linecache
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from ..onworker.parsing import parse

_REMOTE = "__flash_remote_frame__"


def traceback_of(frames: list[tuple[Any, ...]]) -> types.TracebackType | None:
    """A traceback with these frames, which Python, pytest and debuggers print like any other."""
    trace = None
    for file, line, name, first, text, columns in reversed(frames):
        _remember(file, line, text)
        frame = _frame(file, line, name, first, columns, {})
        trace = types.TracebackType(trace, frame.tb_frame, frame.tb_lasti, line)
    return trace


E = TypeVar("E", bound=BaseException)


def at(error: E, file: str, line: int, name: str) -> E:
    """``error`` with a traceback that ends in that line of the user's, where nothing ran."""
    text = linecache.getline(file, line)
    return error.with_traceback(traceback_of([(file, line, name, line, text, None)]))


def entered(where: str, name: str, trace: types.TracebackType | None) -> types.TracebackType:
    """``trace`` behind a frame that says ``where`` it was; pytest shows all but that frame."""
    frame = _frame(where, 1, name, 1, None, {"__tracebackhide__": True})
    return types.TracebackType(trace, frame.tb_frame, -1, 1)


def remote_part(trace: types.TracebackType | None) -> types.TracebackType | None:
    """The frames of ``trace`` that a worker gave; None where it has none."""
    while trace is not None and _REMOTE not in trace.tb_frame.f_globals:
        trace = trace.tb_next
    return trace


def _frame(
    file: str,
    line: int,
    name: str,
    first: int,
    columns: tuple[int, int, int] | None,
    variables: Mapping[str, Any],
) -> types.TracebackType:
    """The frame of a function of that name that raised at that place."""
    end_line, column, end_column = columns or (line, 0, 0)
    place = {"lineno": line, "end_lineno": end_line, "col_offset": column}
    raising = ast.Raise(ast.Name("error", ast.Load()), None)
    body: list[ast.stmt] = [raising]
    for node in (raising, raising.exc):
        ast.copy_location(node, ast.Pass(**place, end_col_offset=end_column))  # type: ignore[type-var]
    function = parse("def function(): pass").body[0]
    assert isinstance(function, ast.FunctionDef)
    function.body = body
    function.lineno = min(first, line)
    function.end_lineno = max(end_line, line)
    code = compile(ast.Module([function], []), file, "exec")
    inner = next(each for each in code.co_consts if isinstance(each, types.CodeType))
    inner = inner.replace(co_name=name)
    if sys.version_info >= (3, 11):
        inner = inner.replace(co_qualname=name)
    try:
        exec(inner, {"error": ZeroDivisionError(), "__name__": name, _REMOTE: True, **variables})
    except ZeroDivisionError as error:
        trace = error.__traceback__
        assert trace is not None
        assert trace.tb_next is not None
        return trace.tb_next
    raise AssertionError("unreachable")


def _remember(file: str, line: int, text: str) -> None:
    """Let tracebacks show a line of a file that only the worker has."""
    if not text or Path(file).exists():
        return
    known = linecache.cache.get(file)
    lines = list(known[2]) if known is not None and len(known) == 4 else []
    lines += ["\n"] * (line - len(lines))
    lines[line - 1] = text
    linecache.cache[file] = (len(lines), None, lines, file)
