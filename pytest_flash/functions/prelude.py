"""Runs on the worker, in front of shipped source. Its text is sent with every function.

Standard library only, any Python from 3.10 on, and nothing of this package: the worker executes
it in an empty namespace.
"""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import sys
import types

_AWAITABLE = "_flash_awaitable"


def strip(
    tree: ast.AST, remote_lines: frozenset[int]
) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Take ``@remote`` decorators and signature annotations out of ``tree``.

    ``remote_lines`` are the lines on which the decorators to drop stand. Annotations stay where
    another decorator may read them. Returns the functions that were remote.
    """
    remote = []
    for node in ast.walk(tree):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        decorators = node.decorator_list
        node.decorator_list = [d for d in decorators if d.lineno not in remote_lines]
        if len(node.decorator_list) < len(decorators):
            remote.append(node)
        if node.decorator_list:
            continue
        node.returns = None
        given = node.args
        for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs):
            argument.annotation = None
        for collector in (given.vararg, given.kwarg):
            if collector is not None:
                collector.annotation = None
    return remote


def awaitable(function: types.FunctionType) -> object:
    """``function`` as its callers know it: a remote function is awaited, on the worker too."""
    if inspect.iscoroutinefunction(function):
        return function

    @functools.wraps(function)
    async def call(*args: object, **kwargs: object) -> object:
        return function(*args, **kwargs)

    return call


def load(
    source: str, file: str, module: str, remote_lines: frozenset[int], target: str
) -> dict[str, object]:
    """The namespace that ``source`` makes, once for each worker process, source and target.

    ``file`` and ``module`` are what the source was at the caller, so that tracebacks and
    loggers name them. ``target`` is the function that the worker will call; other remote
    functions run here too when it awaits them.
    """
    shelf = sys.modules.setdefault("_flash_shipped", types.ModuleType("_flash_shipped"))
    shipped: dict[object, dict[str, object]] = shelf.__dict__.setdefault(file, {})
    namespace = shipped.get((source, target))
    if namespace is None:
        linecache.cache[file] = (len(source), None, source.splitlines(True), file)
        tree = ast.parse(source, file)
        for node in strip(tree, remote_lines):
            if node.name != target:
                wrapper = ast.copy_location(ast.Name(_AWAITABLE, ast.Load()), node)
                node.decorator_list.insert(0, wrapper)
        made = types.ModuleType(module)
        # dataclasses and pickle look the module of a class up there.
        sys.modules.setdefault(module, made)
        namespace = made.__dict__
        namespace.update({"__file__": file, _AWAITABLE: awaitable})
        exec(compile(tree, file, "exec", dont_inherit=True), namespace)
        shipped[source, target] = namespace
    return namespace
