"""Which module-level names a statement reads, binds and changes."""

from __future__ import annotations

import ast
import copy
import dis
from collections.abc import Iterator, Set
from types import CodeType

from .prelude import strip

_READS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS", "STORE_GLOBAL"}
_BINDS = {"STORE_NAME", "STORE_GLOBAL"}


def used(statement: ast.stmt, remote_lines: frozenset[int]) -> frozenset[str]:
    """The global names that ``statement``, and every function in it, refers to."""
    return frozenset(
        instruction.argval
        for code in _nested(_compiled(statement, remote_lines))
        for instruction in dis.get_instructions(code)
        if instruction.opname in _READS
    )


def bound(statement: ast.stmt) -> frozenset[str]:
    """The names that ``statement`` binds where it stands."""
    return frozenset(
        instruction.argval
        for instruction in dis.get_instructions(_compiled(statement, frozenset()))
        if instruction.opname in _BINDS
    )


def changes(statement: ast.stmt, wanted: Set[str]) -> bool:
    """Whether ``statement`` changes an object behind a wanted name: ``x.add(1)``, ``x[k] = v``."""
    return any(
        isinstance(target, ast.Attribute | ast.Subscript) and _root(target) in wanted
        for node in _run_at_import(statement)
        for target in _targets(node)
    )


def stored(statement: ast.stmt, remote_lines: frozenset[int]) -> frozenset[str]:
    """The names that ``statement`` may bind at any time: by functions with ``global`` too."""
    return frozenset(
        instruction.argval
        for code in _nested(_compiled(statement, remote_lines))
        for instruction in dis.get_instructions(code)
        if instruction.opname in _BINDS
    )


def star_import(statement: ast.stmt) -> str | None:
    """The module that a ``from … import *`` reads; None for all else, and for relative ones.

    A relative import cannot work on the worker, which has no package around the source.
    """
    if not isinstance(statement, ast.ImportFrom) or statement.names[0].name != "*":
        return None
    return None if statement.level else statement.module


def is_main_guard(statement: ast.stmt) -> bool:
    """Whether ``statement`` is ``if __name__ == "__main__":``, which starts a program."""
    return (
        isinstance(statement, ast.If)
        and isinstance(statement.test, ast.Compare)
        and isinstance(statement.test.left, ast.Name)
        and statement.test.left.id == "__name__"
    )


def is_future(statement: ast.stmt) -> bool:
    """Whether ``statement`` is a ``from __future__`` import, which changes all code below it."""
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


def _run_at_import(statement: ast.AST) -> Iterator[ast.AST]:
    """``statement`` and what stands in it, but for the bodies of functions."""
    yield statement
    if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        for child in ast.iter_child_nodes(statement):
            yield from _run_at_import(child)


def _targets(node: ast.AST) -> list[ast.expr]:
    """The expressions that ``node`` assigns to, deletes, or calls for their effect."""
    if isinstance(node, ast.Expr):
        return [node.value.func] if isinstance(node.value, ast.Call) else []
    context = getattr(node, "ctx", None)
    if isinstance(context, ast.Store | ast.Del):
        return [node] if isinstance(node, ast.expr) else []
    return []


def _root(node: ast.expr) -> str | None:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def _compiled(statement: ast.stmt, remote_lines: frozenset[int]) -> CodeType:
    module = ast.Module(body=[copy.deepcopy(statement)], type_ignores=[])
    strip(module, remote_lines)
    return compile(module, "<shipped>", "exec", dont_inherit=True)


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)
