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
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        targets = [statement.value.func]
    elif isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AugAssign | ast.AnnAssign):
        targets = [statement.target]
    return any(
        isinstance(target, ast.Attribute | ast.Subscript) and _root(target) in wanted
        for target in targets
    )


def is_future(statement: ast.stmt) -> bool:
    """Whether ``statement`` is a ``from __future__`` import, which changes all code below it."""
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


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
