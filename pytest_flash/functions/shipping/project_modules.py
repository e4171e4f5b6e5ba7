"""The modules of the user's project: their files, and what they import from each other."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.machinery
import io
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path

from ...user_files import is_users_own
from ..onworker.parsing import parse
from .loaded_source import LoadedSource, LoadedTexts
from .source_imports import Bindings, Import, Place, bindings, imports_of

MAIN = "__main__"


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


@dataclass(frozen=True, eq=False)
class ModuleSource:
    """A module of the project, as this process has loaded it. ``file`` is empty for a namespace
    package. What it holds is found out when it is first asked for.

    Its text, and what is found out from that, raise ChangedSinceError where nobody knows what was
    loaded.
    """

    name: str
    file: str
    package: bool
    loaded: LoadedSource = field(repr=False)

    @property
    def text(self) -> str:
        """The source."""
        return self.loaded.text if self.file else ""

    @functools.cached_property
    def digest(self) -> str:
        """Known by its text, where that stands, and what it is."""
        kind = "package" if self.package else "module"
        return short_hash(f"{self.file} {kind} {self.text}")

    @functools.cached_property
    def tree(self) -> ast.Module:
        """Raises SyntaxError for what is no Python, such as a file that is being saved."""
        return parse(self.text, self.file)

    def masked(self, visible: Collection[int]) -> str:
        """The text with every line blank but for those with these numbers."""
        lines = enumerate(io.StringIO(self.text).readlines(), start=1)
        text = "".join(line if number in visible else "\n" for number, line in lines)
        return text.rstrip() + "\n"

    @property
    def place(self) -> Place:
        """Where it stands on the worker."""
        return Place(name_on_worker(self.name), self.package)

    @functools.cached_property
    def bound(self) -> Bindings:
        """The names that its imports bind."""
        return bindings(self.tree, self.place)

    @functools.cached_property
    def imports(self) -> tuple[Import, ...]:
        """Every import in the file."""
        return tuple(self.imports_in(self.tree))

    def imports_in(self, tree: ast.AST) -> Iterator[Import]:
        """The imports in ``tree``, a part of the file."""
        return imports_of(tree, self.place, self.bound)


class ProjectModules:
    """Finds modules of the project by name; reads each file once, and again after ``refresh``."""

    def __init__(self, texts: LoadedTexts | None = None) -> None:
        self._texts = texts or LoadedTexts()
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
            taken = self.taken(each)
            if not each.loaded and each.below is None:
                taken.add(each.module)
            found |= {n for name in taken for n in with_parents(name) if self.find(n)}
        return found

    def taken(self, each: Import) -> set[str]:
        """The project's modules whose content an import takes: not the packages above."""
        if each.below is not None:
            return set(self._loaded_below(each.below))
        names = each.names or ()
        if each.loaded:
            below = (f"{each.module}.{name}" for name in names)
            return {name for name in below if name in sys.modules and self.find(name)}
        source = self.find(each.module)
        if source is None:
            return set()
        if each.star:
            names = getattr(sys.modules.get(each.module), "__all__", ())
        below = (f"{each.module}.{name}" for name in names if source.package)
        modules = {name for name in below if self.find(name)}
        return modules | {each.module} if each.star or not modules else modules

    def absent(self, imports: Iterable[Import]) -> set[str]:
        """Modules that ``imports`` would load if they were there: they are none of the project's,
        and were not imported here."""
        named = set()
        for each in imports:
            if each.below is None and not each.loaded:
                source = self.find(each.module)
                below = each.names or () if source is not None and source.package else ()
                named |= {each.module, *(f"{each.module}.{name}" for name in below)}
        return {name for name in named if name not in sys.modules and self.find(name) is None}

    def _loaded_below(self, package: str) -> Iterator[str]:
        """The project's modules below ``package`` that were imported here: code that makes up the
        names of modules has imported those."""
        if package:
            for name in list(sys.modules):
                if name.startswith(f"{package}.") and self.find(name):
                    yield name

    def _look_for(self, name: str) -> ModuleSource | None:
        module = sys.modules.get(name)
        if module is not None:
            path = getattr(module, "__path__", None)
            file = getattr(module, "__file__", None)
            folders = list(path) if path is not None else None
        else:
            spec = _spec(name)
            if spec is None:
                return None
            file, found = spec.origin, spec.submodule_search_locations
            folders = list(found) if found is not None else None
        return self._source(name, file, folders)

    def _source(
        self, name: str, file: str | None, folders: list[str] | None
    ) -> ModuleSource | None:
        if not file and not (folders and all(map(is_users_own, folders))):
            return None
        if file and not (file.endswith(".py") and is_users_own(file)):
            return None
        package, file = folders is not None, file or ""
        loaded = self._texts.of(name, file)
        if file and not loaded.exists:
            return None
        known = self._before.get(name)
        if known is not None and known.loaded is loaded and known.package == package:
            return known  # With all that was found out about it.
        return ModuleSource(name, file, package, loaded)


def is_of_project(kind: type) -> bool:
    """Whether a file of the project defines the class ``kind``."""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return file is not None and is_users_own(file)


def with_parents(name: str) -> list[str]:
    """``a.b.c`` as ``a``, ``a.b`` and ``a.b.c``."""
    parts = name.split(".")
    return [".".join(parts[: index + 1]) for index in range(len(parts))]


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


def keys(
    whole: Mapping[str, ModuleSource], sliced: Mapping[str, ModuleSource], project: ProjectModules
) -> dict[str, str]:
    """What each module that travels ``whole`` is known by: the hash of its source and of all that
    it imports of the project. Those that are ``sliced`` are known by their files.

    ``whole`` must be complete: see ``ProjectModules.reached``.
    """
    direct = {
        name: _direct(source, whole.keys() | sliced.keys(), project)
        for name, source in whole.items()
    }
    found = {name_on_worker(name): source.digest for name, source in sliced.items()}
    for name in whole:
        seen, waiting = {name}, [name]
        while waiting:
            more = direct.get(waiting.pop(), set()) - seen
            seen |= more
            waiting += more
        ways = ((each, "whole" if each in whole else "part") for each in sorted(seen))
        digests = {**sliced, **whole}
        text = " ".join(f"{each} {way} {digests[each].digest}" for each, way in ways)
        found[name] = short_hash(f"{name} {text}")
    return found


def _direct(source: ModuleSource, travelling: Set[str], project: ProjectModules) -> set[str]:
    """Those of the modules that travel that ``source`` imports, as far as it tells."""
    if any(each.below == "" for each in source.imports):
        return set(travelling)
    return (project.named(source.imports) | set(with_parents(source.name))) & travelling


def short_hash(text: str) -> str:
    """A hash of ``text``, in 20 characters."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:20]
