"""The text that travels in front of every function."""

from __future__ import annotations

import ast
import inspect
from importlib import import_module

import pytest

from pytest_flash.functions import onworker
from pytest_flash.functions.onworker.bundle import Shipped
from pytest_flash.functions.onworker.entry_point import CallTarget
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


@pytest.mark.parametrize(
    ("value", "length"),
    [
        (Shipped("a", "key", "digest", "/a.py", False), 5),
        (Shipped("a", "", "", "", True, stub=True), 7),
        (Shipped("a", "", "digest", "/a.py", False, (1,), beside=(("b", "digest"),)), 10),
        (CallTarget("named", "a", "f", "", 1), 5),
    ],
)
def test_no_default_at_the_end_travels(value: Shipped | CallTarget, length: int) -> None:
    sent = worker_runtime.positional(value)
    assert len(sent) == length
    assert type(value)(*sent) == value
