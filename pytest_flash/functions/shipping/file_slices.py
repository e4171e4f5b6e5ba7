"""The part of a file that a function needs: a masked copy of it.

The top-level statements that are needed stay on their own lines; every other line is blank. The
worker compiles them under the file's own name, so that a remote traceback reads like a local one.
"""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from ..declaration.specs import REMOTE_MARK
from . import statement_names
from .project_modules import ModuleSource, is_of_project
from .source_facts import wanted_names
from .source_imports import Import
from .statement_names import Statement

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
# Takes a name and its value: the names of the same file that the value refers to, if it may stand
# for the statements that bind the name; else None.
Travels = Callable[[str, Any], Collection[str] | None]


@dataclass(frozen=True)
class FileSlice:
    """What is needed of a file. ``values``: names whose values travel in place of the statements
    that bind them, with the line of the last of these; 0 for names that no statement binds.
    ``unbound``: names that are there at the caller and would not be on the worker."""

    source: ModuleSource
    statements: tuple[Statement, ...]
    values: Mapping[str, int]
    unbound: frozenset[str]
    remote_lines: tuple[int, ...]

    @functools.cached_property
    def text(self) -> str:
        """The masked copy."""
        visible = {
            number for each in self.statements for number in range(each.first, each.last + 1)
        }
        return self.source.masked(visible)

    @property
    def mentioned(self) -> frozenset[str]:
        """Names that it may look up in texts, or may not."""
        return frozenset[str]().union(*(each.mentioned for each in self.statements))

    @functools.cached_property
    def imports(self) -> tuple[Import, ...]:
        """What the needed statements import."""
        every = (self.source.imports_in(each.node) for each in self.statements)
        return tuple(each for imports in every for each in imports)

    @functools.cached_property
    def wants(self) -> Mapping[str, frozenset[str]]:
        """The names that the needed statements take from other modules, and perhaps more."""
        names = frozenset[str]().union(*(each.attributes for each in self.statements))
        return wanted_names(self.imports, names)

    def importing(self) -> Iterator[tuple[int, ast.AST]]:
        """The lines of those statements that import something, and these."""
        for each in self.statements:
            if self.source.imports_in(each.node):
                yield each.node.lineno, each.node


class SlicedFile:
    """A file whose statements were looked at, for taking slices of it.

    ``namespace`` is what the module holds at the caller.
    """

    def __init__(self, source: ModuleSource, namespace: Mapping[str, Any]) -> None:
        self.source = source
        self.namespace = namespace
        self._lines = frozenset(_remote_lines(source.tree, namespace))
        self._all = statement_names.statements(source.text, source.tree, self._lines)
        self._statements = [each for each in self._all if not each.main_guard]
        stars = {each: self._star_names(each) for each in self._statements}
        self._bound = {each: each.bound | stars[each] for each in self._statements}
        self._binding: dict[str, list[Statement]] = {}
        for each, bound in self._bound.items():
            for name in bound:
                self._binding.setdefault(name, []).append(each)

    def definition(self, name: str, line: int) -> Definition | None:
        """The function or class ``name`` outside of functions whose first line is ``line``."""
        for node, lines in self._definitions.get(name, ()):
            if line in lines:
                return node
        return None

    @functools.cached_property
    def _definitions(self) -> Mapping[str, Sequence[tuple[Definition, tuple[int, int]]]]:
        """By name, each with its first line and that of its first decorator."""
        found: dict[str, list[tuple[Definition, tuple[int, int]]]] = {}
        for node in _outside_functions(self.source.tree):
            if isinstance(node, Definition):
                first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
                found.setdefault(node.name, []).append((node, (first, node.lineno)))
        return found

    @property
    def everything(self) -> Set[str]:
        """Every name that the file binds at its top level."""
        return self._binding.keys()

    @functools.cached_property
    def effects(self) -> tuple[tuple[Statement, tuple[Import, ...]], ...]:
        """Imports at the top level whose names nothing in the file uses: what they do counts,
        such as filling a registry."""
        used = {each.id for each in ast.walk(self.source.tree) if isinstance(each, ast.Name)}
        return tuple(
            (each, self.source.imports_in(each.node))
            for each in self._statements
            if isinstance(each.node, ast.Import | ast.ImportFrom)
            and not each.future
            and not each.bound & used
        )

    @functools.cached_property
    def _futures(self) -> tuple[Statement, ...]:
        return tuple(each for each in self._statements if each.future)

    def take(self, wanted: Set[str], travels: Travels) -> FileSlice:
        """What ``wanted`` needs. ``travels`` says which values stand for their statements."""
        need = set(wanted)
        values: dict[str, int] = {}
        kept = set(self._futures)
        objects: set[str] = set()
        waiting = [*need, *(name for each in kept for name in each.used)]
        while waiting:
            while waiting:
                name = waiting.pop()
                need.add(name)
                if name in objects or name in values:
                    continue
                line = self._line_of_value(name, travels)
                if line is not None:
                    values[name] = line
                    continue
                objects.add(name)
                waiting += self._keep(self._needed_for.get(name, ()), kept)
            deriving = [each for each in self._deriving if self._is_told_of(each, objects)]
            waiting += self._keep(deriving, kept)
        statements = tuple(each for each in self._statements if each in kept)
        stored = frozenset[str]().union(*(self._bound[s] | s.stored for s in statements))
        unbound = {
            name
            for name in need & self.namespace.keys() - stored - values.keys()
            if not name.startswith("__")
        }
        return FileSlice(
            self.source, statements, values, frozenset(unbound), tuple(sorted(self._lines))
        )

    def line_of(self, name: str) -> int:
        """The line that binds ``name``; 0 where none does."""
        return max((each.node.lineno for each in self._binding.get(name, ())), default=0)

    def is_data(self, name: str) -> bool:
        """Whether statements that define and import nothing bind ``name``."""
        binding = self._binding.get(name, ())
        return bool(binding) and not any(each.defines for each in binding)

    def is_plain_import(self, name: str) -> bool:
        """Whether all that has to do with ``name`` is one statement that imports it."""
        about = self._needed_for.get(name, ())
        return len(about) == 1 and isinstance(about[0].node, ast.Import | ast.ImportFrom)

    def importing(self, name: str) -> tuple[Import, ...]:
        """What the statements that bind ``name`` import."""
        binding = self._binding.get(name, ())
        return tuple(found for each in binding for found in self.source.imports_in(each.node))

    @functools.cached_property
    def _needed_for(self) -> Mapping[str, Sequence[Statement]]:
        """The statements that are needed where an object of a name is: those that bind it, change
        it, or call what changes it."""
        found: dict[str, list[Statement]] = {}
        for each in self._statements:
            data = {n for name in each.called for n in self._reach(name) if self.is_data(n)}
            for name in self._bound[each] | each.touched | data:
                found.setdefault(name, []).append(each)
        return found

    @functools.cached_property
    def _deriving(self) -> Sequence[Statement]:
        return [each for each in self._statements if each.bases]

    def _keep(self, found: Iterable[Statement], kept: set[Statement]) -> list[str]:
        """The names that statements use which were not ``kept`` yet, and are now."""
        new = [each for each in found if each not in kept]
        kept.update(new)
        return [name for each in new for name in each.used]

    def _line_of_value(self, name: str, travels: Travels) -> int | None:
        if name.startswith("__") or any(each.defines for each in self._binding.get(name, ())):
            return None
        needs = travels(name, self.namespace[name]) if name in self.namespace else None
        if needs is None:
            return None
        # After the classes it is of, which may stand below.
        return max(map(self.line_of, {name, *needs}))

    def _is_told_of(self, statement: Statement, objects: Set[str]) -> bool:
        return any(self._is_told_of_subclasses(name, objects) for name in statement.bases)

    def _is_told_of_subclasses(self, base: str, objects: Set[str]) -> bool:
        """Whether a class above ``base``, by what it does with its subclasses, changes what is
        needed: ``__init_subclass__``, a metaclass, or a look at ``__subclasses__()``."""
        kind = self.namespace.get(base)
        above = (*kind.__mro__, type(kind)) if isinstance(kind, type) else ()
        told = (
            each.__name__
            for each in above
            if is_of_project(each)
            and (
                issubclass(each, type)
                or "__init_subclass__" in vars(each)
                or "__subclasses__" in self.source.text
            )
        )
        return any(name in objects or self._changes_data(name, objects) for name in told)

    def _changes_data(self, function: str, objects: Set[str]) -> bool:
        """Whether ``function``, one of this file, refers to data that is needed."""
        return any(name in objects and self.is_data(name) for name in self._reach(function))

    @functools.cached_property
    def _reaches(self) -> dict[str, frozenset[str]]:
        return {}

    def _reach(self, function: str) -> frozenset[str]:
        if function not in self._reaches:
            seen: set[str] = set()
            waiting = {function}
            while waiting:
                name = waiting.pop()
                seen.add(name)
                for each in self._binding.get(name, ()):
                    if each.defines:
                        waiting |= each.used - seen
            self._reaches[function] = frozenset(seen - {function})
        return self._reaches[function]

    def _star_names(self, statement: Statement) -> frozenset[str]:
        """The names that a ``from … import *`` has bound; none for other statements."""
        if statement_names.star_import(statement.node) is None:
            return frozenset()
        found = next(iter(self.source.imports_in(statement.node)), None)
        module = sys.modules.get(found.module) if found else None
        own = frozenset[str]().union(*(each.bound for each in self._all))
        taken = frozenset(vars(module) if module else ()) & self.namespace.keys()
        return frozenset(each for each in taken - own if not each.startswith("__"))


def _outside_functions(node: ast.AST) -> Iterator[Any]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _outside_functions(child)


def _remote_lines(tree: ast.Module, namespace: Mapping[str, Any]) -> Iterator[int]:
    """The lines of every ``@remote(...)`` decorator, whatever name the module gave it, and of those
    above: as ``source_edits.strip`` takes them. An Endpoint is or makes such decorators, too."""
    for node in ast.walk(tree):
        if not isinstance(node, Definition):
            continue
        for index, decorator in enumerate(node.decorator_list):
            made_by = decorator.func if isinstance(decorator, ast.Call) else decorator
            if _is_remote(made_by, namespace):
                # What stands above wraps the stand-in, and stays at the caller for its calls.
                wraps = not hasattr(namespace.get(node.name), "__flash_behind__")
                sign = -1 if wraps and node in tree.body else 1
                yield decorator.lineno
                yield from (sign * each.lineno for each in node.decorator_list[:index])


def _is_remote(node: ast.expr, namespace: Mapping[str, Any]) -> bool:
    return getattr(_value(node, namespace), REMOTE_MARK, False) is True


def _value(node: ast.expr, namespace: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Attribute):
        return getattr(_value(node.value, namespace), node.attr, None)
    return namespace.get(node.id) if isinstance(node, ast.Name) else None
