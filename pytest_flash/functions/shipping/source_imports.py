"""What a piece of source imports, in whatever way."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

Bindings = Mapping[str, Collection[str]]
_CALLS = {"import_module", "__import__"}
# Of pkgutil: what they give is imported.
_LISTING = {"iter_modules", "walk_packages"}


@dataclass(frozen=True)
class Place:
    """The module that a source is of, as it is called on the worker."""

    name: str
    package: bool

    @property
    def home(self) -> str:
        """The package that its relative imports start from; empty outside of packages."""
        return self.name if self.package else self.name.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Import:
    """A module that some source names; ``names`` are what it takes from it, None for all.

    ``guarded``: a missing module is no error. ``loaded``: it counts if that is a module that was
    imported here. ``star``: all that ``from module import *`` takes. ``below``: any module whose
    name begins like this; any at all where it begins with nothing.
    """

    module: str
    line: int
    names: tuple[str, ...] | None = None
    guarded: bool = False
    loaded: bool = False
    star: bool = False
    below: str | None = None


def imports_of(tree: ast.AST, place: Place, bound: Bindings) -> Iterator[Import]:
    """The imports in ``tree``, source of the module ``place``; ``TYPE_CHECKING`` blocks are not.

    ``bound`` are the names that imports of the file bind, see ``bindings``: ``package.module``
    counts as an import where ``package`` is one of them. So do ``importlib.import_module`` and a
    look at ``sys.modules`` by a literal name, and what a package finds by a global name.
    """
    return imports_among(nodes_of(tree), place, bound)


def imports_among(nodes: Iterable[Node], place: Place, bound: Bindings) -> Iterator[Import]:
    """As ``imports_of``, for the ``nodes_of`` a tree."""
    told = set()
    reader = _Reader(place, bound)
    for node in nodes:
        for each in () if node.hidden else reader.read(node.node, node.guarded):
            if not each.loaded or (each.module, each.names) not in told:
                told.add((each.module, each.names))
                yield each


def bindings(nodes: Iterable[Node], place: Place) -> Bindings:
    """The names that the imports among ``nodes`` bind, with the modules that they may be."""
    bound: dict[str, set[str]] = {}
    for node in (each.node for each in nodes):
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                bound.setdefault(name, set()).add(alias.name if alias.asname else name)
        elif isinstance(node, ast.ImportFrom) and (module := _absolute(node, place.home)):
            for alias in node.names:
                name = alias.asname or alias.name
                bound.setdefault(name, set()).add(f"{module}.{alias.name}")
    return bound


class Node(NamedTuple):
    """A node of a tree that may import something. ``guarded``: it stands in a ``try`` statement;
    ``hidden``: in a ``TYPE_CHECKING`` block."""

    node: ast.AST
    guarded: bool
    hidden: bool


def nodes_of(tree: ast.AST) -> list[Node]:
    """Those nodes of ``tree`` that may import something, in the order of the text."""
    found: list[Node] = []
    stack: list[tuple[Any, bool, bool]] = [(tree, False, False)]  # Plain: most are thrown away.
    while stack:
        node, guarded, hidden = stack.pop()
        kind = node.__class__
        if kind in _MAY_IMPORT:
            found.append(Node(node, guarded, hidden))
        below: list[tuple[Any, bool, bool]] = []
        inside_check = kind is ast.If and _is_type_checking(node.test)
        guarded = guarded or kind is ast.Try
        for name in _CHILDREN[kind]:
            concealed = hidden or (inside_check and name != "orelse")
            value = getattr(node, name, None)
            if value.__class__ is list:
                below += [(v, guarded, concealed) for v in value if v.__class__ in _CHILDREN]
            elif value.__class__ in _CHILDREN:
                below.append((value, guarded, concealed))
        if below:
            stack += reversed(below)
    return found


# A large project has hundreds of thousands of nodes: what can hold no import is not visited.
_MAY_IMPORT = {ast.Import, ast.ImportFrom, ast.Call, ast.Attribute, ast.Subscript, ast.Name}
_LEAVES = {
    *(ast.Import, ast.ImportFrom, ast.Name, ast.Constant, ast.Pass, ast.Break, ast.Continue),
    *(ast.Global, ast.Nonlocal),
}
_WITHOUT_NODES = {"ctx", "op", "ops", "type_comment", "type_ignores"}
_CHILDREN = {
    kind: tuple(each for each in kind._fields if kind not in _LEAVES and each not in _WITHOUT_NODES)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}


@dataclass(frozen=True)
class _Reader:
    place: Place
    bound: Bindings

    def read(self, node: ast.AST, guarded: bool) -> Iterator[Import]:
        """What ``node`` itself imports."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, None, guarded)
        elif isinstance(node, ast.ImportFrom):
            yield from self._from(node, guarded)
        elif isinstance(node, ast.Call):
            yield from self._call(node)
        elif isinstance(node, ast.Attribute):
            yield from self._attribute(node)
        elif isinstance(node, ast.Subscript) and _is_sys_modules(node.value):
            yield from _literal(node.slice, node.lineno)
        elif isinstance(node, ast.Name) and self.place.package:
            yield Import(self.place.name, node.lineno, (node.id,), True, loaded=True)

    def _from(self, node: ast.ImportFrom, guarded: bool) -> Iterator[Import]:
        module = _absolute(node, self.place.home)
        if module and module != "__future__":
            names = tuple(alias.name for alias in node.names)
            star = names == ("*",)
            yield Import(module, node.lineno, None if star else names, guarded, star=star)

    def _attribute(self, node: ast.Attribute) -> Iterator[Import]:
        path: list[str] = []
        value: ast.expr = node.value
        while isinstance(value, ast.Attribute):
            path.insert(0, value.attr)
            value = value.value
        for module in self.bound.get(value.id, ()) if isinstance(value, ast.Name) else ():
            above = ".".join([module, *path])
            yield Import(above, node.lineno, (node.attr,), True, loaded=True)

    def _call(self, node: ast.Call) -> Iterator[Import]:
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", None)
        if name == "get" and _is_sys_modules(getattr(called, "value", None)) and node.args:
            yield from _literal(node.args[0], node.lineno)
        if name in _LISTING and node.args:
            yield from self._listed(node.args[0])
        if name not in _CALLS or not node.args:
            return
        given = [k.value for k in node.keywords if k.arg == "package"]
        package = [*node.args[1:2], *given] if name == "import_module" else []
        start, whole = self._text(node.args[0])
        if start.startswith("."):
            base, known = self._text(package[0]) if package else (self.place.home, True)
            parts = base.split(".") if known else []
            level = len(start) - len(start.lstrip("."))
            kept = parts[: len(parts) - level + 1]
            start = ".".join([*kept, start[level:]]) if kept else ""
        if whole and start:
            yield Import(start, node.lineno, None, True)
        elif not whole:
            yield Import("", node.lineno, (), True, below=start.rpartition(".")[0])

    def _listed(self, path: ast.expr) -> Iterator[Import]:
        """``pkgutil`` lists the modules of a package, which are imported by those names."""
        packages: Iterable[str] = ()
        if isinstance(path, ast.Name) and path.id == "__path__":
            packages = (self.place.home,)
        elif isinstance(path, ast.Attribute) and path.attr == "__path__":
            packages = self.bound.get(getattr(path.value, "id", ""), ())
        for package in packages:
            yield Import("", path.lineno, (), True, below=package)

    def _text(self, node: ast.expr) -> tuple[str, bool]:
        """How the text that ``node`` makes begins, and whether that is all of it."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value, True
        if isinstance(node, ast.Name) and node.id in ("__name__", "__package__"):
            return (self.place.name if node.id == "__name__" else self.place.home), True
        if isinstance(node, ast.FormattedValue):
            return self._text(node.value)
        parts = node.values if isinstance(node, ast.JoinedStr) else []
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            parts = [node.left, node.right]
        text = ""
        for part in parts:
            more, whole = self._text(part)
            text += more
            if not whole:
                return text, False
        return text, bool(parts)


def _absolute(node: ast.ImportFrom, home: str) -> str | None:
    if not node.level:
        return node.module
    parts = home.split(".") if home else []
    if node.level - 1 >= max(len(parts), 1):
        return None
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])]) or None


def _literal(node: ast.AST, line: int) -> Iterator[Import]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield Import(node.value, line, None, True)


def _is_sys_modules(node: ast.AST | None) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr == "modules"
        and isinstance(node.value, ast.Name)
        and node.value.id == "sys"
    )


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return name == "TYPE_CHECKING"
