"""Runs on the worker, in front of shipped source. Its text is sent with every function.

Standard library only, any Python from 3.10 on, and nothing of this package: the worker executes
it in an empty namespace.
"""

from __future__ import annotations

import ast
import linecache
import sys
import types


def strip(tree: ast.AST, remote_lines: frozenset[int]) -> None:
    """Take ``@remote`` decorators and signature annotations out of ``tree``.

    ``remote_lines`` are the lines on which the decorators to drop stand. Annotations stay where
    another decorator may read them.
    """
    for node in ast.walk(tree):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        node.decorator_list = [d for d in node.decorator_list if d.lineno not in remote_lines]
        if node.decorator_list:
            continue
        node.returns = None
        given = node.args
        for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs):
            argument.annotation = None
        for collector in (given.vararg, given.kwarg):
            if collector is not None:
                collector.annotation = None


def load(source: str, file: str, module: str, remote_lines: frozenset[int]) -> dict[str, object]:
    """The namespace that ``source`` makes, once for each worker process and source.

    ``file`` and ``module`` are what the source was at the caller, so that tracebacks and
    loggers name them.
    """
    shelf = sys.modules.setdefault("_flash_shipped", types.ModuleType("_flash_shipped"))
    shipped: dict[str, dict[str, object]] = shelf.__dict__.setdefault(file, {})
    namespace = shipped.get(source)
    if namespace is None:
        linecache.cache[file] = (len(source), None, source.splitlines(True), file)
        tree = ast.parse(source, file)
        strip(tree, remote_lines)
        namespace = {"__name__": module, "__file__": file}
        exec(compile(tree, file, "exec", dont_inherit=True), namespace)
        shipped[source] = namespace
    return namespace
