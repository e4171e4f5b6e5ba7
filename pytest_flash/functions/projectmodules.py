"""The modules of the user's project: their files, and what they import from each other."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.machinery
import io
import linecache
import os
import sys
import sysconfig
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

MAIN = "__main__"
_INSTALLED = {"site-packages", "dist-packages"}
_OURS = f"{Path(__file__).resolve().parent.parent}{os.sep}"


@functools.cache
def main_name() -> str:
    """What the module that is run as a script, or by ``python -m``, is called on the worker."""
    main = sys.modules.get(MAIN)
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    package, _, name = spec.name.rpartition(".") if spec else ("", "", Path(file or "").stem)
    full = f"{package}.{name}" if package else name
    taken = full in sys.modules or full in sys.stdlib_module_names
    if name.isidentifier() and name != MAIN and not taken:
        return full
    return f"{package}._flash_main" if package else "_flash_main"


def name_on_worker(module: str) -> str:
    """What ``module`` is called on the worker."""
    return main_name() if module == MAIN else module


@dataclass(frozen=True)
class Import:
    """A module that some source names; ``names`` are what it takes from it, None for all."""

    module: str
    line: int
    names: tuple[str, ...] | None = None
    guarded: bool = False


@dataclass(frozen=True)
class ModuleSource:
    """A module of the project, as its file has it. ``file`` is empty for a namespace package."""

    name: str
    file: str
    package: bool
    text: str = field(repr=False)

    @functools.cached_property
    def digest(self) -> str:
        """Known by its text."""
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()[:20]

    @functools.cached_property
    def tree(self) -> ast.Module:
        """Raises SyntaxError for what is no Python, such as a file that is being saved."""
        return ast.parse(self.text, self.file)

    def masked(self, visible: Collection[int]) -> str:
        """The text with every line blank but for those with these numbers."""
        lines = enumerate(io.StringIO(self.text).readlines(), start=1)
        text = "".join(line if number in visible else "\n" for number, line in lines)
        return text.rstrip() + "\n"

    @property
    def home(self) -> str:
        """The package that its relative imports start from; empty outside of packages."""
        name = name_on_worker(self.name)
        return name if self.package else name.rpartition(".")[0]

    @functools.cached_property
    def imports(self) -> tuple[Import, ...]:
        """Every import in the file."""
        return tuple(imports_of(self.tree, self.home))


class ProjectModules:
    """Finds modules of the project by name; reads each file once, and again after ``refresh``."""

    def __init__(self) -> None:
        self._found: dict[str, ModuleSource | None] = {}
        self._before: dict[str, ModuleSource | None] = {}

    def refresh(self) -> None:
        """Look again at what may have changed: files, and which modules there are."""
        self._before = {**self._before, **self._found}
        self._found = {}

    def find(self, name: str) -> ModuleSource | None:
        """The module ``name`` if it belongs to the project: source outside of installed packages.

        No parent package is imported to find out.
        """
        if name not in self._found:
            self._found[name] = self._look_for(name)
        return self._found[name]

    def reached(self, names: Iterable[str]) -> dict[str, ModuleSource]:
        """The project's modules among ``names`` with all that they import, packages included."""
        found: dict[str, ModuleSource] = {}
        waiting = [each for name in names for each in with_parents(name)]
        while waiting:
            name = waiting.pop()
            source = self.find(name) if name not in found else None
            if source is None:
                continue
            found[name] = source
            waiting += self.named(source.imports)
        return found

    def named(self, imports: Iterable[Import]) -> set[str]:
        """The project's modules that ``imports`` load: packages above, and modules taken by
        ``from package import module``."""
        found = set()
        for each in imports:
            found |= {name for name in with_parents(each.module) if self.find(name)}
            found |= self.taken(each)
        return found

    def taken(self, each: Import) -> set[str]:
        """The project's modules whose content an import takes: not the packages above."""
        if self.find(each.module) is None:
            return set()
        below = (f"{each.module}.{name}" for name in each.names or ())
        return {name for name in below if self._is_module(name)} or {each.module}

    def _is_module(self, name: str) -> bool:
        return self.find(name) is not None

    def _look_for(self, name: str) -> ModuleSource | None:
        if name.partition(".")[0] in sys.stdlib_module_names and name != MAIN:
            return None
        loaded = sys.modules.get(name)
        if loaded is not None:
            path = getattr(loaded, "__path__", None)
            file = getattr(loaded, "__file__", None)
            folders = list(path) if path is not None else None
        else:
            spec = _spec(name)
            if spec is None:
                return None
            file, found = spec.origin, spec.submodule_search_locations
            folders = list(found) if found is not None else None
        return self._read(name, file, folders)

    def _read(self, name: str, file: str | None, folders: list[str] | None) -> ModuleSource | None:
        if not file:
            if folders and all(map(_belongs, folders)):
                return ModuleSource(name, "", True, "")
            return None
        if not file.endswith(".py") or not _belongs(file):
            return None
        linecache.checkcache(file)
        text = "".join(linecache.getlines(file))
        if not text and not Path(file).exists():
            return None
        known = self._before.get(name)
        made = ModuleSource(name, file, folders is not None, text)
        return known if known == made else made  # With all that was found out about it.


def is_of_project(kind: type) -> bool:
    """Whether a file of the project defines the class ``kind``."""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return file is not None and _belongs(file)


def with_parents(name: str) -> list[str]:
    """``a.b.c`` as ``a``, ``a.b`` and ``a.b.c``."""
    parts = name.split(".")
    return [".".join(parts[: index + 1]) for index in range(len(parts))]


def imports_of(tree: ast.AST, home: str) -> Iterator[Import]:
    """The imports in ``tree``, source of the package ``home``; ``TYPE_CHECKING`` blocks are not.

    ``importlib.import_module`` with a literal name counts.
    """
    yield from _imports(tree, home, False)


def _imports(node: ast.AST, home: str, guarded: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name, node.lineno, None, guarded)
    elif isinstance(node, ast.ImportFrom):
        module = _absolute(node, home)
        if module and module != "__future__":
            names = tuple(alias.name for alias in node.names)
            yield Import(module, node.lineno, None if names == ("*",) else names, guarded)
    elif isinstance(node, ast.Call) and (literal := _import_call(node)):
        yield Import(literal, node.lineno, None, True)
    if isinstance(node, ast.If) and _is_type_checking(node.test):
        children: Iterable[ast.AST] = node.orelse
    else:
        children = ast.iter_child_nodes(node)
    inside = guarded or isinstance(node, ast.Try)
    for child in children:
        yield from _imports(child, home, inside)


def _absolute(node: ast.ImportFrom, home: str) -> str | None:
    if not node.level:
        return node.module
    parts = home.split(".") if home else []
    if node.level - 1 >= max(len(parts), 1):
        return None
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])]) or None


def _import_call(node: ast.Call) -> str | None:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else None
    name = node.func.id if isinstance(node.func, ast.Name) else name
    if name not in ("import_module", "__import__") or not node.args:
        return None
    value = getattr(node.args[0], "value", None)
    return value if isinstance(value, str) and not value.startswith(".") else None


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return name == "TYPE_CHECKING"


def _spec(name: str) -> importlib.machinery.ModuleSpec | None:
    """The spec of ``name``, found without importing what is above it."""
    path: list[str] | None = None
    spec = None
    for each in with_parents(name):
        loaded = sys.modules.get(each)
        if loaded is not None and each != name:
            found = getattr(loaded, "__path__", None)
        else:
            spec = _ask_finders(each, path)
            found = spec.submodule_search_locations if spec is not None else None
            if spec is None:
                return None
        path = list(found) if found is not None else []
    return spec


def _ask_finders(name: str, path: list[str] | None) -> importlib.machinery.ModuleSpec | None:
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        try:
            spec = find(name, path) if find is not None else None
        except (ImportError, ValueError):
            continue
        if spec is not None:
            return spec  # type: ignore[no-any-return]
    return None


@functools.cache
def _belongs(path: str) -> bool:
    """Whether ``path`` is the user's own: not installed, not Python's, not of this package."""
    real = os.path.realpath(path)
    if _INSTALLED & set(Path(real).parts) or _INSTALLED & set(Path(path).parts):
        return False
    return not f"{real}{os.sep}".startswith((*_python(), _OURS))


@functools.cache
def _python() -> tuple[str, ...]:
    places = {sysconfig.get_path(each) for each in ("stdlib", "platstdlib")}
    return tuple(f"{os.path.realpath(each)}{os.sep}" for each in sorted(places))


def keys(modules: Mapping[str, ModuleSource], project: ProjectModules) -> dict[str, str]:
    """For each of ``modules`` the hash of its source and of all that it imports of the project.

    ``modules`` must be complete: see ``ProjectModules.reached``.
    """
    direct = {
        name: project.named(source.imports) | set(with_parents(name))
        for name, source in modules.items()
    }
    found = {}
    for name in modules:
        seen, waiting = {name}, [name]
        while waiting:
            more = direct.get(waiting.pop(), set()) & modules.keys() - seen
            seen |= more
            waiting += more
        text = " ".join(f"{each} {modules[each].digest}" for each in sorted(seen))
        found[name] = hashlib.sha256(f"{name} {text}".encode()).hexdigest()[:20]
    return found
