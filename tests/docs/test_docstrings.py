"""What an editor shows for a public name: it reads the source, not the objects."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_flash
from pytest_flash import errors, fixtures, testing
from pytest_flash.resources.base_model import Model

Documented = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

NAMES = [
    *(("pytest_flash", name) for name in pytest_flash.__all__),
    *(("pytest_flash.testing", name) for name in testing.__all__),
]
RESOURCES = [
    value
    for name in (*pytest_flash.__all__, "KeyValuePair")
    if isinstance(value := getattr(sys.modules["pytest_flash.resources"], name, None), type)
    and issubclass(value, Model)
]


def definition(value: object) -> Documented:
    """The one definition of a class or function in its module, also if only checkers read it."""
    found = inspect.unwrap(value) if callable(value) else value
    name, module = getattr(found, "__name__", ""), getattr(found, "__module__", "")
    file = sys.modules[module].__file__
    assert file is not None
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    (node,) = (
        each for each in ast.walk(tree) if isinstance(each, Documented) and each.name == name
    )
    return node


def members(node: Documented) -> Iterator[Documented]:
    """The public methods of a class, without the signatures that ``overload`` declares."""
    for each in node.body if isinstance(node, ast.ClassDef) else ():
        if not isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        declared = any(ast.unparse(mark) == "overload" for mark in each.decorator_list)
        if not each.name.startswith("_") and not declared:
            yield each


def missing(words: list[str], text: str) -> set[str]:
    return {word for word in words if not re.search(rf"``{re.escape(word)}\b", text)}


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_public_names_and_their_methods_say_what_they_are(module: str, name: str) -> None:
    node = definition(getattr(sys.modules[module], name))
    for each in (node, *members(node)):
        assert len(ast.get_docstring(each) or "") > 10, each.name


def test_remote_explains_its_arguments() -> None:
    text = ast.get_docstring(definition(pytest_flash.remote))
    assert text is not None
    assert text == inspect.getdoc(pytest_flash.remote)
    assert missing([*inspect.signature(pytest_flash.remote).parameters], text) == set()


@pytest.mark.parametrize("kind", RESOURCES, ids=lambda kind: str(kind.__name__))
def test_a_constructor_explains_its_fields(kind: type[Model]) -> None:
    (made,) = (
        each
        for each in ast.walk(definition(kind))
        if isinstance(each, ast.FunctionDef) and each.name == "__init__"
    )
    text = ast.get_docstring(made) or ""
    assert missing([*kind.model_fields], text) == set()
    assert "ConfigurationError" in text


def test_fixtures_and_errors_say_what_they_are() -> None:
    tree = ast.parse(inspect.getsource(fixtures))
    found = {
        each.name: ast.get_docstring(each) or ""
        for each in tree.body
        if isinstance(each, ast.FunctionDef) and each.name.startswith("flash_")
    }
    assert len(found) == 9
    kinds = (each for each in vars(errors).values() if isinstance(each, type))
    found |= {
        each.__name__: each.__doc__ or "" for each in kinds if each.__module__ == errors.__name__
    }
    assert {name for name, text in found.items() if len(text) < 20} == set()
