"""The modules of the user's project: their files, and what they import from each other."""

from __future__ import annotations

import ast
import functools
import io
import sys
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ...user_files import is_users_own, saved
from ..onworker.parsing import parse
from .loaded_source import LoadedSource, LoadedTexts
from .module_lookups import Lookups, with_parents
from .source_facts import KnownSources, SourceFacts, are_settled, facts_of, short_hash
from .source_imports import Bindings, Import, Place, bindings, imports_of, nodes_of

MAIN = "__main__"
T = TypeVar("T")


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
    known: KnownSources = field(repr=False)

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
    def ends_part(self) -> bool:
        """Whether sorted modules may be cut into parts behind it: as one in 16, by its name."""
        return short_hash(self.name).startswith("0")

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
        return bindings(nodes_of(self.tree), self.place)

    @functools.cached_property
    def facts(self) -> SourceFacts:
        """What the source tells about its imports. Raises SyntaxError as ``tree``."""
        return self.known.facts(self.name, self.digest, self._find_out)

    def _find_out(self) -> SourceFacts:
        # The tree of a module that travels whole is of no more use, and there may be thousands.
        return facts_of(parse(self.text, self.file), self.place)

    @property
    def imports(self) -> tuple[Import, ...]:
        """Every import in the file."""
        return self.facts.imports

    def imports_in(self, part: ast.AST) -> tuple[Import, ...]:
        """The imports in ``part``, a part of ``tree``."""
        found = self._imports_in.get(part)
        if found is None:
            found = self._imports_in[part] = tuple(imports_of(part, self.place, self.bound))
        return found

    @functools.cached_property
    def _imports_in(self) -> dict[ast.AST, tuple[Import, ...]]:
        return {}


@dataclass(frozen=True)
class Found:
    """Of imports: the project's modules that they ``named``, with the packages above and modules
    taken by ``from package import module``; those whose content is ``taken``, without the packages
    above; and ``absent`` ones, which they would load if they were there: these are none of the
    project's, and were not imported here."""

    named: frozenset[str]
    taken: frozenset[str]
    absent: frozenset[str]


class ProjectModules:
    """Finds modules of the project by name, and what they import of it.

    Each file is read once, and what is found out is kept until ``refresh`` sees that something has
    changed. ``known`` is what the sources tell.
    """

    def __init__(self, texts: LoadedTexts | None = None, known: KnownSources | None = None) -> None:
        self._texts = texts or LoadedTexts()
        self._known = known or KnownSources()
        self.generation = 0  # Another one where anything may have changed.
        self._before: dict[str, ModuleSource | None] = {}
        self._found: dict[str, ModuleSource | None] = {}
        self._lookups = Lookups()
        self._by_path: dict[ModuleSource, bool] = {}
        self._imports: dict[Import, Found] = {}
        self._sources: dict[ModuleSource, Found] = {}
        self._parts: dict[ast.AST, Found] = {}
        self._kept: dict[Hashable, Any] = {}

    def refresh(self) -> None:
        """Look again at what may have changed: files, and which modules there are."""
        sources = [each for each in self._found.values() if each is not None]
        if self._lookups.still_hold() and all(map(self._is_same, sources)):
            return
        self.generation += 1
        self._before = {**self._before, **self._found}
        self._found = {}
        self._lookups = Lookups()
        self._by_path, self._imports, self._sources = {}, {}, {}
        self._parts, self._kept = {}, {}

    def kept(self, key: Hashable, find_out: Callable[[], tuple[T, bool]]) -> T:
        """What ``find_out`` found of the modules as they are now, asked once: it also says whether
        that holds until ``refresh`` sees a change."""
        if key in self._kept:
            known: T = self._kept[key]
            return known
        found, holds = find_out()
        if holds:
            self._kept[key] = found
        return found

    def find(self, name: str) -> ModuleSource | None:
        """The module ``name`` if it belongs to the project: source outside of installed packages.

        No parent package is imported to find out.
        """
        if name not in self._found:
            self._lookups.is_loaded(name)
            self._found[name] = self._look_for(name)
        return self._found[name]

    def is_found_by_path(self, name: str) -> bool:
        """Whether ``name`` is a loaded module of the project that imports would not find: its file
        was given to ``importlib``."""
        source = self.find(name) if name in sys.modules else None
        if source is None or not source.file:
            return False
        known = self._by_path.get(source)
        if known is None:  # Asked at every call of a function that uses such a value.
            spec = self._lookups.spec(name)
            known = self._by_path[source] = spec is None or spec.origin != source.file
        return known

    def reached(self, names: Iterable[str], known: Collection[str] = ()) -> dict[str, ModuleSource]:
        """The project's modules among ``names`` with all that they import, but for those that are
        ``known``: all that these import is known as well.

        ``names`` come with the packages above them, as ``named`` gives them.
        """
        found: dict[str, ModuleSource] = {}
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            source = self.find(name) if name not in found else None
            if source is None or name in known:
                continue
            found[name] = source
            waiting += [each for each in self.named_by(source) if each not in found]
        return found

    def named(self, imports: Iterable[Import]) -> frozenset[str]:
        """The project's modules that ``imports`` load; see ``Found``."""
        return frozenset[str]().union(*(self._of(each).named for each in imports))

    def has(self, each: Import) -> bool:
        """Whether the module that ``each`` names is one of the project's."""
        return each.module in self._of(each).named

    def by_part(self, source: ModuleSource, part: ast.AST) -> Found:
        """What the imports in ``part`` of the tree of ``source`` find."""
        found = self._parts.get(part)
        if found is None:
            imports = source.imports_in(part)
            found = self._together(imports)
            if are_settled(imports):
                self._parts[part] = found
        return found

    def named_by(self, source: ModuleSource) -> frozenset[str]:
        """As ``named``, for all that ``source`` imports."""
        return self._by(source).named

    def taken_by(self, source: ModuleSource) -> frozenset[str]:
        """As ``taken``, for all that ``source`` imports."""
        return self._by(source).taken

    def absent_for(self, source: ModuleSource) -> frozenset[str]:
        """As ``absent``, for all that ``source`` imports."""
        return self._by(source).absent

    def _is_same(self, source: ModuleSource) -> bool:
        loaded = source.loaded
        return loaded.current and (loaded.module is not None or loaded.saved == saved(loaded.file))

    def _by(self, source: ModuleSource) -> Found:
        found = self._sources.get(source)
        if found is None:
            found = self._together(source.imports)
            if source.facts.is_settled:
                self._sources[source] = found
        return found

    def _together(self, imports: Iterable[Import]) -> Found:
        every = [self._of(each) for each in imports]
        return Found(
            frozenset[str]().union(*(each.named for each in every)),
            frozenset[str]().union(*(each.taken for each in every)),
            frozenset[str]().union(*(each.absent for each in every)),
        )

    def _of(self, each: Import) -> Found:
        found = self._imports.get(each)
        if found is None:
            taken = frozenset(self._taken(each))
            named = taken if each.loaded or each.below is not None else taken | {each.module}
            above = (name for one in named for name in with_parents(one))
            found = Found(frozenset(filter(self.find, above)), taken, self._absent(each))
            if not each.star and each.below is None:
                self._imports[each] = found
        return found

    def _taken(self, each: Import) -> set[str]:
        if each.below is not None:
            return set(self._loaded_below(each.below))
        names = each.names or ()
        if each.loaded:
            below = (f"{each.module}.{name}" for name in names)
            return {name for name in below if self._lookups.is_loaded(name) and self.find(name)}
        source = self.find(each.module)
        if source is None:
            return set()
        if each.star:
            names = getattr(sys.modules.get(each.module), "__all__", ())
        below = (f"{each.module}.{name}" for name in names if source.package)
        modules = {name for name in below if self.find(name)}
        return modules | {each.module} if each.star or not modules else modules

    def _absent(self, each: Import) -> frozenset[str]:
        if each.below is not None or each.loaded:
            return frozenset()
        source = self.find(each.module)
        below = each.names or () if source is not None and source.package else ()
        named = {each.module, *(f"{each.module}.{name}" for name in below)}
        is_loaded = self._lookups.is_loaded
        return frozenset(name for name in named if not is_loaded(name) and not self.find(name))

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
            spec = self._lookups.spec(name)
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
        return ModuleSource(name, file, package, loaded, self._known)


def is_of_project(kind: type) -> bool:
    """Whether a file of the project defines the class ``kind``."""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return file is not None and is_users_own(file)
