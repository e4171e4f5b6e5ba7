"""What a function needs: slices of files and whole modules, until nothing is missing."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any

from ...errors import CannotTravelError, ConfigurationError
from ..declaration.specs import FunctionSpec
from ..onworker.bundle import Shipped
from ..onworker.entry_point import CallTarget
from . import worker_runtime
from .declared_packages import Declared
from .effective_imports import effective_names, effects_of
from .file_slices import FileSlice, SlicedFile
from .loaded_source import LoadedSource
from .module_lookups import with_parents
from .pickling import pack_data
from .prepared import NamedValue, Prepared
from .project_modules import (
    MAIN,
    ModuleSource,
    ProjectModules,
    name_on_worker,
)
from .references import Reference, References, SourceLines, TopLevelName, WholeModule
from .refusals import Refusals
from .source_facts import short_hash
from .source_imports import Import
from .whole_modules import SharedModules, WholeModules

# The official client's limit for the source of one call.
SOURCE_LIMIT = 8 * 1024 * 1024

# Runpod docs, operation-reference and load-balancing overview: what a result may be, in bytes.
RESULT_LIMITS = {"QUEUE": 20_000_000, "LOAD_BALANCER": 30_000_000}


@dataclass(frozen=True)
class Home:
    """Where a function is found by name: its module and the dotted path in it."""

    module: str
    path: str


def home_of(spec: FunctionSpec, project: ProjectModules) -> Home | None:
    """None for a function that no name leads to: it is carried with its arguments."""
    target: Any = spec.owner if spec.owner is not None else spec.function
    module, path = target.__module__, target.__qualname__
    source = project.find(module) if module in sys.modules else None
    if source is None or "<" in path or not _is_from(module, target):
        return None
    found: Any = sys.modules[module]
    for part in path.split("."):
        found = getattr(found, part, None)
    behind = getattr(found, "__flash_behind__", found)
    if behind is target or inspect.unwrap(behind) is inspect.unwrap(target):
        return Home(module, path)
    # Decorators above @remote leave something else under the name; the line tells.
    namespace = vars(sys.modules[module])
    code = getattr(inspect.unwrap(target), "__code__", None)
    try:
        file = SlicedFile(source, namespace)
    except SyntaxError:
        return None
    if found is not None and code is not None and "." not in path:
        return Home(module, path) if file.definition(path, code.co_firstlineno) else None
    return None


def is_replaced(spec: FunctionSpec) -> bool:
    """Whether the function's module was imported anew, or reloaded, and has another by now: who
    holds the old one means what was imported with it."""
    target: Any = inspect.unwrap(spec.owner if spec.owner is not None else spec.function)
    found: Any = sys.modules.get(target.__module__)
    if found is None or getattr(target, "__globals__", vars(found)) is not vars(found):
        return True
    for part in target.__qualname__.split("."):
        found = getattr(found, part, None)
    found = inspect.unwrap(getattr(found, "__flash_behind__", found))
    # Decorators above @remote leave something else under the name.
    return found is not target and _place(found) == _place(target)


def _place(target: Any) -> tuple[object, ...]:
    return type(target), getattr(target, "__module__", ""), getattr(target, "__qualname__", "")


def _is_from(module: str, target: Any) -> bool:
    """Whether the file of ``module`` defines a function, and not code that was executed there."""
    file = getattr(sys.modules[module], "__file__", None) or ""
    code = getattr(inspect.unwrap(target), "__code__", None)
    return code is None or os.path.realpath(code.co_filename) == os.path.realpath(file)


class Gathering:
    """What one function needs, until nothing refers to anything that is not there."""

    def __init__(
        self,
        spec: FunctionSpec,
        home: Home | None,
        project: ProjectModules,
        refusals: Refusals,
        declared: Declared,
        files: dict[str, SlicedFile],
        shared: SharedModules,
    ) -> None:
        self._spec = spec
        self._home = home
        self._project = project
        self._refusals = refusals
        self._declared = declared
        self._files = files
        self._shared = shared
        self._wanted: dict[str, set[str]] = {}
        self._slices: dict[str, FileSlice] = {}
        self._whole: dict[str, ModuleSource] = {}
        self._is_made_up = False  # Code there says which modules it imports, not the text alone.
        self._shown: dict[str, set[int]] = {}
        self._left: dict[str, dict[str, str]] = {}

    def prepared(self, references: References) -> Prepared:
        """Prepare the function for calls whose arguments have these ``references``."""
        if self._home is not None:
            self._check_unchanged(self._home)
            self._want(self._home.module, self._home.path.partition(".")[0])
        for each in references:
            self._refer(each)
        while self._grow():
            pass
        for taken in self._slices.values():
            file = self._files[taken.source.name]
            self._refusals.check(self._spec, taken, file, self._declared)
        return self._put_together()

    def _check_unchanged(self, home: Home) -> None:
        target = self._spec.owner or self._spec.function
        code = getattr(inspect.unwrap(target), "__code__", None)
        file = self._file(home.module)
        path = home.path.split(".")
        if code is not None and file.definition(path[-1], code.co_firstlineno) is None:
            raise _changed(self._spec)

    def _file(self, module: str) -> SlicedFile:
        source, namespace = self._project.find(module), vars(sys.modules[module])
        assert source is not None
        known = self._files.get(module)
        if known is None or known.source is not source or known.namespace is not namespace:
            try:
                known = self._files[module] = SlicedFile(source, namespace)
            except SyntaxError as error:
                raise _changed(self._spec) from error
        return known

    def _want(self, module: str, name: str | None) -> None:
        wanted = self._wanted.setdefault(module, set())
        if name is not None:
            wanted.add(name)

    def _refer(self, to: Reference) -> None:
        """A pickle names something: a slice of its module will do, unless it travels whole."""
        if isinstance(to, WholeModule):
            self._load(self._project.named([Import(to.module, 0)]))
        elif isinstance(to, SourceLines):
            self._shown.setdefault(to.module, set()).update(range(to.first, to.last + 1))
        elif to.module not in self._whole and to.module in sys.modules:
            self._want(to.module, to.name if isinstance(to, TopLevelName) else None)

    def _grow(self) -> bool:
        before = (sum(map(len, self._wanted.values())), len(self._wanted), len(self._whole))
        slices: list[FileSlice] = []
        for module, wanted in list(self._wanted.items()):
            if module in self._whole:
                continue  # Another slice has just imported it.
            travels = functools.partial(self._travels, module)
            taken = self._slices[module] = self._file(module).take(wanted, travels)
            slices.append(taken)
            self._load(self._named(taken))
        for module, wanted in list(self._wanted.items()):
            file = self._file(module)
            for taken in slices:
                wanted |= taken.wants.get(module, frozenset()) & file.everything
            perhaps = set(self._slices[module].mentioned if module in self._slices else ())
            for source in self._whole.values():
                perhaps |= source.facts.wants.get(module, frozenset())
            effective = effective_names(file, wanted, self._whole.keys(), self._project)
            self._offer(module, (perhaps & file.everything) | effective)
        after = (sum(map(len, self._wanted.values())), len(self._wanted), len(self._whole))
        return before != after

    def _offer(self, module: str, names: Set[str]) -> None:
        """Want what modules that travel whole import, or a text mentions, unless it cannot travel:
        who knows whether it is used. If it is, that is the error there."""
        left = self._left.setdefault(module, {})
        file = self._file(module)
        for name in sorted(names - self._wanted[module] - left.keys()):
            if file.is_plain_import(name) and self._is_of_project(file.importing(name)):
                self._wanted[module].add(name)
                continue
            taken = file.take({name}, functools.partial(self._travels, module))
            try:
                self._refusals.check(self._spec, taken, file, self._declared)
            except CannotTravelError as error:
                left[name] = str(error)
            else:
                self._wanted[module].add(name)

    def _is_of_project(self, imports: Iterable[Import]) -> bool:
        """Whether the project has all that ``imports`` load, so that nothing has to be declared."""
        return all(map(self._project.has, imports))

    def _named(self, taken: FileSlice) -> frozenset[str]:
        """The project's modules that a slice imports."""
        found = (self._project.by_part(taken.source, each.node) for each in taken.statements)
        return frozenset[str]().union(*(each.named for each in found))

    def _load(self, names: Iterable[str]) -> None:
        """Let the project's modules ``names`` travel whole, with all that they import."""
        known = () if self._is_made_up else self._whole
        for name, source in self._project.reached(names, known).items():
            mine = self._home is not None and name == self._home.module
            if not mine and name != MAIN:
                self._whole[name] = source
                self._is_made_up = self._is_made_up or not source.facts.is_settled
        for name in self._whole.keys() & (self._wanted.keys() | self._slices.keys()):
            self._wanted.pop(name, None)
            self._slices.pop(name, None)

    def _travels(self, home: str, name: str, value: Any) -> set[str] | None:
        """The names of ``home`` that ``value``, bound to ``name`` there, needs; None where it is
        no data, or the very class that ``name`` stands for."""
        packed = pack_data(value, self._project)
        if packed is None or TopLevelName(home, name) in packed[1]:
            return None
        for each in packed[1]:
            sliced = each.module == MAIN or each.module in self._wanted
            self._refer(each if sliced else WholeModule(each.module))
        names = (each for each in packed[1] if isinstance(each, TopLevelName))
        return {each.name for each in names if each.module == home}

    def _put_together(self) -> Prepared:
        spec, what = self._spec, f"the source that {self._spec.name} needs"
        check = functools.partial(self._refusals.secrets_in, spec, what)
        sliced = {module: taken.source for module, taken in self._slices.items()}
        whole = self._shared.of(self._whole, sliced, check)
        entries: list[Shipped] = []
        texts: dict[str, str] = {}
        for module, taken in sorted(self._slices.items()):
            entries.append(self._shipped_slice(module, taken, whole.known))
            texts[name_on_worker(module)] = taken.text
        for module, numbers in sorted(self._shown.items()):
            file = self._project.find(module)
            if file is not None and module not in self._whole:
                # Known by its file: such lines are looked at, not executed.
                texts[file.file] = file.masked(numbers)
        present = self._whole.keys() | {each.name for each in entries}
        packages = {name.rpartition(".")[0] for name in present} - {""}
        above = {each for name in packages for each in with_parents(name)} - present
        entries += [Shipped(name, "", "", "", package=True, stub=True) for name in sorted(above)]
        sources = {**whole.texts, **texts}
        self._refusals.size(spec, sources, SOURCE_LIMIT)
        own = worker_runtime.serialized(texts)
        check(own)
        values = tuple(
            NamedValue(module, name, line, self._files[module].namespace)
            for module, taken in self._slices.items()
            for name, line in taken.values.items()
        )
        loaded = self._made_from()
        absent = (
            self._project.by_part(taken.source, each.node).absent
            for taken in self._slices.values()
            for each in taken.statements
        )
        return Prepared(
            self._name(),
            self._code(whole, entries, worker_runtime.packed(own)),
            values,
            sources,
            tuple(each for each in loaded if each.module is not None),
            tuple(each for each in loaded if each.module is None),
            whole.absent.union(*absent),
            whole,
        )

    def _made_from(self) -> Collection[LoadedSource]:
        """What travels, and what is imported for its effect: once that is another, it may travel
        too."""
        found = dict(self._whole)
        for module, taken in self._slices.items():
            found |= effects_of(self._file(module), self._project).reached
            found[module] = taken.source
        return [each.loaded for each in found.values()]

    def _shipped_slice(self, module: str, taken: FileSlice, known: Mapping[str, str]) -> Shipped:
        return Shipped(
            name_on_worker(module),
            key="",
            digest=taken.source.digest,
            file=taken.source.file,
            package=taken.source.package,
            remote_lines=taken.remote_lines,
            imports=self._imported(taken, known),
            left=tuple(self._left.get(module, {}).items()),
            beside=self._beside(module),
        )

    def _beside(self, module: str) -> tuple[tuple[str, str], ...]:
        """The modules that ``module`` imports for what they do, and all that these import, with
        the hashes of their files; not those that travel."""
        reached = effects_of(self._file(module), self._project).reached
        stays = sorted(reached.keys() - self._whole.keys() - self._slices.keys() - {MAIN})
        return tuple((name, reached[name].digest) for name in stays)

    def _imported(self, taken: FileSlice, known: Mapping[str, str]) -> tuple[tuple[int, str], ...]:
        """The lines of statements that import something, with what that is known by."""
        found: dict[int, list[str]] = {}
        for line, part in taken.importing():
            names = sorted(self._project.by_part(taken.source, part).named & known.keys())
            found.setdefault(line, []).extend(f"{name} {known[name]}" for name in names)
        return tuple((line, short_hash(" ".join(texts))) for line, texts in found.items())

    def _name(self) -> str:
        name = self._spec.function.__name__
        return name if name.isidentifier() else "remote_function"

    def _target(self) -> CallTarget:
        limit, method = RESULT_LIMITS[self._spec.resource.routing], self._spec.method or ""
        if self._home is None:
            return CallTarget("carried", "", "", method, limit)
        kind, module = "method" if method else "named", name_on_worker(self._home.module)
        return CallTarget(kind, module, self._home.path, method, limit)

    def _code(self, whole: WholeModules, entries: list[Shipped], texts: str) -> str:
        own = (repr(worker_runtime.positional(each)) for each in entries)
        modules = "".join(f"{each}," for each in (*whole.modules, *own))
        parts = "".join(f"{each!r}," for each in (*whole.packed, texts))
        awaits = inspect.iscoroutinefunction(inspect.unwrap(self._spec.function))
        return (
            f"{worker_runtime.boot()}"
            f"{self._name()} = sys.modules[{worker_runtime.name() + '.entry_point'!r}].entry(\n"
            f"    {worker_runtime.positional(self._target())!r},"
            f" {awaits or bool(self._spec.method)}, ({modules}),\n"
            f"    ({parts}),\n)\n"
        )


def changed(spec: FunctionSpec, file: str) -> ConfigurationError:
    """``file`` is not what was imported any more, and what was imported is not known."""
    return ConfigurationError(
        f"{spec.location}: {spec.name} needs {file}, which was saved after it was imported; "
        "restart to run the new code"
    )


def _changed(spec: FunctionSpec) -> ConfigurationError:
    return ConfigurationError(
        f"{spec.location}: the file no longer holds {spec.name} as it was imported; restart to "
        "run the new code"
    )
