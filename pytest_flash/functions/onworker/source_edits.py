"""Changes to shipped source before it is compiled. No change moves a line."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Collection, Iterator
from typing import Any

REMOTE = "_flash_remote"
WRAPPED = "_flash_wrapped"
MISSING = "_flash_missing"
_ITSELF = "_flash_itself_"

Definition = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def strip(tree: ast.AST, remote_lines: frozenset[int]) -> list[ast.AST]:
    """Take ``@remote`` decorators and signature annotations out of ``tree``.

    ``remote_lines`` are the lines on which the decorators to drop stand, as negative numbers for
    those that wrap what others call: see ``wrappers``. Annotations stay where
    another decorator may read them, and those of built-in types everywhere. Returns the functions
    and classes that were remote.
    """
    remote: list[ast.AST] = []
    dropped = frozenset(map(abs, remote_lines))
    for node in ast.walk(tree):
        if not isinstance(node, Definition):
            continue
        decorators = node.decorator_list
        node.decorator_list = [d for d in decorators if d.lineno not in dropped]
        if len(node.decorator_list) < len(decorators):
            remote.append(node)
        if not node.decorator_list and not isinstance(node, ast.ClassDef):
            _strip_annotations(node)
    return remote


def mark_remote(tree: ast.AST, remote_lines: frozenset[int]) -> None:
    """``strip``, and give each remote function or class the stand-in that its callers await.

    Within itself a synchronous function, or a class, goes by its own name: ``return n * f(n - 1)``.
    """
    around = {node: wrappers(node, remote_lines) for node in ast.walk(tree)}
    for node in strip(tree, remote_lines):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            _keep_own_name(node)
        if isinstance(node, Definition):
            mark = _mark(around[node])
            for each in ast.walk(mark):
                ast.copy_location(each, node)
            node.decorator_list.insert(0, mark)


def wrappers(node: ast.AST, remote_lines: Collection[int]) -> list[ast.expr]:
    """The decorators above ``@remote`` that leave something else under the name."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return [each for each in decorators if -each.lineno in remote_lines]


def _mark(around: list[ast.expr]) -> ast.expr:
    if not around:
        return ast.Name(REMOTE, ast.Load())
    # Each by itself, and when it is called: what it needs may not be here.
    nothing = ast.arguments([], [], None, [], [], None, [])
    later: list[ast.expr] = [ast.Lambda(nothing, each) for each in around]
    return ast.Call(ast.Name(WRAPPED, ast.Load()), later, [])


def itself(name: str) -> str:
    """The name under which a remote function or class finds itself."""
    return _ITSELF + name


def tolerate_missing(tree: ast.Module) -> list[tuple[ast.stmt, list[str]]]:
    """Let imports at the top level that find no module bind placeholders.

    Those within ``try`` stay as they are: there the code itself says what a missing module means.
    Returns the imports, with the names that each binds.
    """
    imports: list[tuple[ast.stmt, list[str]]] = []
    tree.body = list(_tolerant(tree.body, imports))
    return imports


def _tolerant(
    body: list[ast.stmt], imports: list[tuple[ast.stmt, list[str]]]
) -> Iterator[ast.stmt]:
    for statement in body:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                one = ast.copy_location(ast.Import(names=[alias]), statement)
                imports.append((one, [alias.asname or alias.name.partition(".")[0]]))
                yield _guarded(*imports[-1])
        elif isinstance(statement, ast.ImportFrom) and _can_be_missing(statement):
            for alias in statement.names:
                source, level = statement.module, statement.level
                single = ast.copy_location(ast.ImportFrom(source, [alias], level), statement)
                imports.append((single, [alias.asname or alias.name]))
                yield _guarded(*imports[-1])
        else:
            if isinstance(statement, ast.If):
                statement.body = list(_tolerant(statement.body, imports))
                statement.orelse = list(_tolerant(statement.orelse, imports))
            yield statement


def _can_be_missing(statement: ast.ImportFrom) -> bool:
    return statement.module != "__future__" and statement.names[0].name != "*"


def _guarded(statement: ast.stmt, names: list[str]) -> ast.stmt:
    """``statement``, with a handler that binds ``names`` to placeholders:

    ``globals().update(MISSING(error, names, __file__, line))``. Made of nodes that have their
    places, since a text would be parsed for each of thousands of imports.
    """
    place: dict[str, Any] = {
        "lineno": statement.lineno,
        "col_offset": statement.col_offset,
        "end_lineno": statement.end_lineno,
        "end_col_offset": statement.end_col_offset,
    }

    def name(text: str) -> ast.expr:
        return ast.Name(text, ast.Load(), **place)

    def call(function: ast.expr, *arguments: ast.expr) -> ast.expr:
        return ast.Call(function, list(arguments), [], **place)

    listed: list[ast.expr] = [ast.Constant(each, **place) for each in names]
    found = call(
        name(MISSING),
        name("_flash_error"),
        ast.List(listed, ast.Load(), **place),
        name("__file__"),
        ast.Constant(statement.lineno, **place),
    )
    update = ast.Attribute(call(name("globals")), "update", ast.Load(), **place)
    bind = ast.Expr(call(update, found), **place)
    handler = ast.ExceptHandler(name("ImportError"), "_flash_error", [bind], **place)
    return ast.Try([statement], [handler], [], [], **place)


def bound_by(statement: ast.stmt) -> list[str]:
    """The names that a definition or an assignment binds; none for other statements."""
    if isinstance(statement, Definition):
        return [statement.name]
    if not isinstance(statement, ast.Assign | ast.AnnAssign):
        return []
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return [each.id for each in targets if isinstance(each, ast.Name)]


def _keep_own_name(node: ast.FunctionDef | ast.ClassDef) -> None:
    if node.name in _bound_inside(node):
        return
    renamed = itself(node.name)
    for part in node.body:
        for each in ast.walk(part):
            if isinstance(each, ast.Name) and each.id == node.name:
                each.id = renamed


def _bound_inside(node: ast.FunctionDef | ast.ClassDef) -> set[str]:
    bound = set()
    for each in ast.walk(node):
        if each is node:
            continue
        if isinstance(each, ast.Name) and not isinstance(each.ctx, ast.Load):
            bound.add(each.id)
        elif isinstance(each, ast.arg):
            bound.add(each.arg)
        elif isinstance(each, Definition):
            bound.add(each.name)
    return bound


def _strip_annotations(node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    """Leave those that need nothing but built-in names."""
    given = node.args
    collectors = (each for each in (given.vararg, given.kwarg) if each is not None)
    for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs, *collectors):
        argument.annotation = _if_built_in(argument.annotation)
    node.returns = _if_built_in(node.returns)


def _if_built_in(annotation: ast.expr | None) -> ast.expr | None:
    names = (each.id for each in ast.walk(annotation or ast.Pass()) if isinstance(each, ast.Name))
    return annotation if all(hasattr(builtins, name) for name in names) else None
