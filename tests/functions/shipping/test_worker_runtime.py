"""The text that travels in front of every function."""

from __future__ import annotations

import ast
import inspect
from importlib import import_module

import pytest

from pytest_flash.functions import onworker
from pytest_flash.functions.shipping import worker_runtime


class Worded(ast.NodeTransformer):
    """Empties the texts that stand as statements."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            node.value = ast.Constant("")
        return node


@pytest.mark.parametrize("name", onworker.ORDER)
def test_it_is_the_source_but_for_docstrings_and_comments(name: str) -> None:
    source = inspect.getsource(import_module(f"{onworker.__name__}.{name}"))
    sent = worker_runtime.without_words(source)
    assert ast.dump(ast.parse(sent)) == ast.dump(Worded().visit(ast.parse(source)))
    assert len(sent) < len(source)
