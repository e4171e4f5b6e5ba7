"""What travels with a remote function: the part of its file that it needs.

A masked copy of the file is shipped: the function, and the top-level statements it refers to
directly or through others, on their own lines; every other line is blank. The worker compiles it
under the file's own name, so that a remote traceback reads like a local one.
"""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import sys
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigurationError
from . import names, prelude
from .registry import REMOTE_MARK, FunctionSpec

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class ShippedSource:
    """Source text that defines ``name`` when a worker executes it."""

    name: str
    code: str


def ship(spec: FunctionSpec) -> ShippedSource:
    """The source to send for ``spec``.

    Raises ConfigurationError when the source cannot be read, has changed since it was imported,
    the function closes over local variables of another one, or it needs a name that no statement
    of the file binds.
    """
    function = inspect.unwrap(spec.function)
    if function.__closure__:
        free = ", ".join(function.__code__.co_freevars)
        raise ConfigurationError(
            f"{spec.location}: {spec.name} uses local variables of the function around it "
            f"({free}), which cannot travel; pass them as arguments"
        )
    lines = _read(spec, function)
    tree = _parse(lines, spec)
    node = _find(tree, function, spec)
    remote_lines = frozenset(_remote_lines(tree, function.__globals__))
    kept = _needed(tree, node, remote_lines, function.__globals__)
    _refuse_unbound(spec, kept, remote_lines, function.__globals__)
    masked = _mask(lines, kept)
    if node not in tree.body:
        _dedent(masked, node)
    source = "".join(masked).rstrip() + "\n"
    arguments = (source, spec.file, function.__module__, remote_lines, node.name)
    call = f"load({', '.join(map(repr, arguments))})"
    return ShippedSource(node.name, f"{_prelude()}\n{node.name} = {call}[{node.name!r}]\n")


@functools.cache
def _prelude() -> str:
    return inspect.getsource(prelude)


def _read(spec: FunctionSpec, function: Any) -> list[str]:
    linecache.checkcache(spec.file)
    lines = linecache.getlines(spec.file, function.__globals__)
    if not lines:
        raise ConfigurationError(
            f"{spec.location}: the source of {spec.name} cannot be read; define remote functions "
            "in a file"
        )
    return lines


def _parse(lines: list[str], spec: FunctionSpec) -> ast.Module:
    try:
        return ast.parse("".join(lines), spec.file)
    except SyntaxError as error:
        raise _changed(spec) from error


def _find(tree: ast.Module, function: Any, spec: FunctionSpec) -> FunctionNode:
    for node in ast.walk(tree):
        if (
            isinstance(node, FunctionNode)
            and node.name == function.__name__
            and _span(node)[0] == function.__code__.co_firstlineno
        ):
            return node
    raise _changed(spec)


def _changed(spec: FunctionSpec) -> ConfigurationError:
    return ConfigurationError(
        f"{spec.location}: the file no longer holds {spec.name} as it was imported; restart to "
        "run the new code"
    )


def _needed(
    tree: ast.Module,
    node: FunctionNode,
    remote_lines: frozenset[int],
    module_globals: Mapping[str, Any],
) -> list[ast.stmt]:
    """``node`` and the top-level statements it depends on, in file order."""
    candidates = [each for each in tree.body if not names.is_main_guard(each)]
    statements = candidates if node in candidates else [*candidates, node]
    binds = {id(each): names.bound(each) for each in candidates}
    starred = module_globals.keys() - frozenset().union(*binds.values())
    for each in candidates:
        binds[id(each)] |= starred & _star_names(each)
    wanted = set(names.used(node, remote_lines))
    kept = {id(node)}
    grown = True
    while grown:
        grown = False
        for each in candidates:
            if id(each) in kept:
                continue
            if names.is_future(each) or wanted & binds[id(each)] or names.changes(each, wanted):
                kept.add(id(each))
                wanted |= names.used(each, remote_lines)
                grown = True
    return [each for each in statements if id(each) in kept]


def _star_names(statement: ast.stmt) -> Set[str]:
    """The names that a ``from … import *`` can bind; none for other statements."""
    imported = names.star_import(statement)
    module = sys.modules.get(imported) if imported else None
    return vars(module).keys() if module else frozenset()


def _refuse_unbound(
    spec: FunctionSpec,
    kept: list[ast.stmt],
    remote_lines: frozenset[int],
    module_globals: Mapping[str, Any],
) -> None:
    """Refuse names that are there at the caller and would not be on the worker."""
    used = frozenset[str]().union(*(names.used(each, remote_lines) for each in kept))
    bound = frozenset[str]().union(
        *(names.stored(each, remote_lines) | _star_names(each) for each in kept)
    )
    unbound = sorted(
        each for each in (used - bound) & module_globals.keys() if not each.startswith("__")
    )
    if unbound:
        raise ConfigurationError(
            f"{spec.location}: {spec.name} needs {', '.join(unbound)}, which no statement of the "
            "file defines at its top level outside of functions; define it there, or pass it as "
            "an argument"
        )


def _mask(lines: list[str], kept: list[ast.stmt]) -> list[str]:
    visible = {
        number
        for statement in kept
        for number in range(_span(statement)[0], _span(statement)[1] + 1)
    }
    return [line if number in visible else "\n" for number, line in enumerate(lines, start=1)]


def _dedent(masked: list[str], node: FunctionNode) -> None:
    first, last = _span(node)
    for index in range(first - 1, last):
        line = masked[index]
        if not line[: node.col_offset].strip():
            masked[index] = line[node.col_offset :] or "\n"


def _span(node: ast.stmt) -> tuple[int, int]:
    """First and last line, decorators included."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(each.lineno for each in decorators)])
    return first, node.end_lineno or node.lineno


def _remote_lines(tree: ast.Module, module_globals: dict[str, Any]) -> Iterator[int]:
    """The lines of every ``@remote(...)`` decorator, whatever name the module gave it."""
    for node in ast.walk(tree):
        if not isinstance(node, FunctionNode):
            continue
        for index, decorator in enumerate(node.decorator_list):
            if isinstance(decorator, ast.Call) and _is_remote(decorator.func, module_globals):
                # What stands above wraps the stand-in, which stays at the caller.
                yield from (each.lineno for each in node.decorator_list[: index + 1])


def _is_remote(node: ast.expr, namespace: dict[str, Any]) -> bool:
    return getattr(_value(node, namespace), REMOTE_MARK, False) is True


def _value(node: ast.expr, namespace: dict[str, Any]) -> Any:
    if isinstance(node, ast.Attribute):
        return getattr(_value(node.value, namespace), node.attr, None)
    return namespace.get(node.id) if isinstance(node, ast.Name) else None
