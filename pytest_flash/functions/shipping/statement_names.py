"""Which module-level names a top-level statement reads, binds and changes."""

from __future__ import annotations

import ast
import dis
import functools
import re
from collections.abc import Iterator, Set
from dataclasses import dataclass
from types import CodeType

from ..onworker import source_edits
from ..onworker.parsing import parse
from .source_facts import attributes_in

_READS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS", "STORE_GLOBAL"}
_BINDS = {"STORE_NAME", "STORE_GLOBAL"}
# Functions that find names in texts.
_LOOKS_UP = {"globals", "vars", "eval", "exec"}
_IDENTIFIER = re.compile(r"[^\W\d]\w*")

_DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)


@dataclass(frozen=True, eq=False)
class Statement:
    """A top-level statement: as the file has it, and without remote decorators (see
    ``source_edits.strip``). Each of its properties is found when it is first asked for.

    ``wrapping``: the names that decorators above ``@remote`` need, if they are there."""

    node: ast.stmt
    stripped: ast.stmt
    wrapping: frozenset[str] = frozenset()

    @property
    def first(self) -> int:
        """Its first line, decorators included."""
        decorators: list[ast.expr] = getattr(self.node, "decorator_list", [])
        return min([self.node.lineno, *(each.lineno for each in decorators)])

    @property
    def last(self) -> int:
        """Its last line."""
        return self.node.end_lineno or self.node.lineno

    @property
    def future(self) -> bool:
        """Whether it is a ``from __future__`` import, which changes all code below it."""
        return isinstance(self.node, ast.ImportFrom) and self.node.module == "__future__"

    @property
    def main_guard(self) -> bool:
        """Whether it is ``if __name__ == "__main__":``, which starts a program."""
        return _is_main_guard(self.node)

    @functools.cached_property
    def used(self) -> frozenset[str]:
        """The global names that it, and every function in it, refers to."""
        return used_by(self._code)

    @functools.cached_property
    def attributes(self) -> frozenset[str]:
        """Every name that follows a dot in it."""
        return attributes_in(self.node)

    @functools.cached_property
    def bound(self) -> frozenset[str]:
        """The names that it binds where it stands."""
        return _names(self._code, _BINDS)

    @functools.cached_property
    def stored(self) -> frozenset[str]:
        """The names that it may bind at any time: by functions with ``global`` too."""
        return frozenset[str]().union(*(_names(each, _BINDS) for each in _nested(self._code)))

    @functools.cached_property
    def touched(self) -> frozenset[str]:
        """Names whose objects it changes, or calls methods of, while it runs: ``x.add(1)``,
        ``x[k] = v``, ``@x.route``."""
        return frozenset(_touched(self._running))

    @functools.cached_property
    def called(self) -> frozenset[str]:
        """Functions that it calls for their effect while it runs, decorators included."""
        return frozenset(_called(self._running))

    @functools.cached_property
    def bases(self) -> frozenset[str]:
        """What the classes that it defines inherit from, metaclasses included."""
        classes = [each for each in self._running if isinstance(each, ast.ClassDef)]
        above = ([*each.bases, *(k.value for k in each.keywords)] for each in classes)
        roots = (_root(base) for each in above for base in each)
        return frozenset(root for root in roots if root is not None)

    @functools.cached_property
    def mentioned(self) -> frozenset[str]:
        """Names that it may look up: those in the texts beside ``globals()`` and ``eval``."""
        return self.wrapping | frozenset(
            name
            for code in _nested(self._code)
            if _names(code, _READS) & _LOOKS_UP
            for text in code.co_consts
            if isinstance(text, str)
            for name in _IDENTIFIER.findall(text)
        )

    @functools.cached_property
    def defines(self) -> bool:
        """Whether running it does more than giving names to data: it holds a function, a class
        or an import."""
        return any(isinstance(each, _DEFINES) for each in self._running)

    @functools.cached_property
    def _running(self) -> list[ast.AST]:
        return list(_run_at_import(self.stripped))

    @functools.cached_property
    def _code(self) -> CodeType:
        module = ast.Module(body=[self.stripped], type_ignores=[])
        return compile(module, "<shipped>", "exec", dont_inherit=True)


def statements(text: str, tree: ast.Module, remote_lines: frozenset[int]) -> list[Statement]:
    """The top-level statements of ``tree``, the source ``text`` of a file."""
    stripped = parse(text)
    source_edits.strip(stripped, remote_lines)
    return [
        Statement(node, bare, _wrapping(node, remote_lines))
        for node, bare in zip(tree.body, stripped.body, strict=True)
    ]


def _wrapping(node: ast.stmt, remote_lines: frozenset[int]) -> frozenset[str]:
    around = source_edits.wrappers(node, remote_lines)
    inside = (each for decorator in around for each in ast.walk(decorator))
    return frozenset(each.id for each in inside if isinstance(each, ast.Name))


def used_by(code: CodeType) -> frozenset[str]:
    """The global names that ``code``, and every function in it, refers to."""
    return frozenset[str]().union(*(_names(each, _READS) for each in _nested(code)))


def star_import(statement: ast.stmt) -> ast.ImportFrom | None:
    """``statement`` if it is a ``from … import *``."""
    starred = isinstance(statement, ast.ImportFrom) and statement.names[0].name == "*"
    return statement if starred and isinstance(statement, ast.ImportFrom) else None


def _names(code: CodeType, operations: Set[str]) -> frozenset[str]:
    return frozenset(
        instruction.argval
        for instruction in dis.get_instructions(code)
        if instruction.opname in operations
    )


def _is_main_guard(statement: ast.stmt) -> bool:
    """Whether ``statement`` is ``if __name__ == "__main__":``, which starts a program."""
    return (
        isinstance(statement, ast.If)
        and isinstance(statement.test, ast.Compare)
        and isinstance(statement.test.left, ast.Name)
        and statement.test.left.id == "__name__"
    )


def _run_at_import(statement: ast.AST) -> Iterator[ast.AST]:
    """``statement`` and what stands in it, but for the bodies of functions."""
    yield statement
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return
    for child in ast.iter_child_nodes(statement):
        yield from _run_at_import(child)


def _touched(nodes: list[ast.AST]) -> Iterator[str]:
    for node in nodes:
        for target in (*_targets(node), *_decorators(node)):
            if isinstance(target, ast.Attribute | ast.Subscript | ast.Call):
                root = _root(target)
                if root is not None and not _is_plain_call(target):
                    yield root


def _called(nodes: list[ast.AST]) -> Iterator[str]:
    for node in nodes:
        calls: list[ast.expr] = []
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            calls = [node.value.func]
        calls += _decorators(node)
        for call in calls:
            called = call.func if isinstance(call, ast.Call) else call
            if isinstance(called, ast.Name):
                yield called.id


def _decorators(node: ast.AST) -> list[ast.expr]:
    return list(getattr(node, "decorator_list", []))


def _is_plain_call(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


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


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)
