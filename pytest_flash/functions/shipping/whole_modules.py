"""The modules that travel whole: what they are known by, and all of them ready to be sent."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from ..onworker.bundle import Shipped
from . import worker_runtime
from .module_lookups import with_parents
from .project_modules import ModuleSource, ProjectModules, name_on_worker
from .source_facts import short_hash


@dataclass(frozen=True, eq=False)
class WholeModules:
    """Modules that travel whole beside slices of others. ``known`` are the keys of all of them;
    ``modules`` what the worker is told of each, and ``packed`` parts of the ``texts``, as source
    text;
    ``absent`` are modules that they import and that are not there."""

    known: Mapping[str, str]
    texts: Mapping[str, str] = field(repr=False)
    modules: tuple[str, ...] = field(repr=False)
    packed: tuple[str, ...] = field(repr=False)
    absent: frozenset[str] = field(repr=False)


# Less would be compressed worse: that looks back some 30 kB.
_SMALLEST_PART = 32


class SharedModules:
    """What travels whole with several functions, put together once."""

    def __init__(self, project: ProjectModules) -> None:
        self._project = project
        self._made: weakref.WeakValueDictionary[object, WholeModules] = (
            weakref.WeakValueDictionary()
        )

    def of(
        self,
        whole: Mapping[str, ModuleSource],
        sliced: Mapping[str, ModuleSource],
        check: Callable[[bytes], None],
    ) -> WholeModules:
        """``whole`` modules beside the ``sliced`` ones. ``check`` may refuse to send data.

        It is kept for as long as what was made of it.
        """
        generation = self._project.generation
        key = (generation, frozenset(whole.values()), frozenset(sliced.values()))
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = self._put_together(whole, sliced, check)
        return found

    def _put_together(
        self,
        whole: Mapping[str, ModuleSource],
        sliced: Mapping[str, ModuleSource],
        check: Callable[[bytes], None],
    ) -> WholeModules:
        looked_at = self._looked_at(whole, sliced)
        keys = {name_on_worker(name): source.digest for name, source in sliced.items()}
        sources = [source for _, source in sorted(whole.items())]
        return WholeModules(
            keys | {name: looked_at[name].key for name in whole},
            {source.name: source.text for source in sources},
            tuple(looked_at[source.name].shipped for source in sources),
            tuple(self._packed(part, check) for part in _parts(sources)),
            frozenset[str]().union(*(looked_at[name].absent for name in whole)),
        )

    def _looked_at(
        self, whole: Mapping[str, ModuleSource], sliced: Mapping[str, ModuleSource]
    ) -> Mapping[str, LookedAt]:
        """The modules, by name. All that a module imports travels with it, whole or sliced: where
        the same ones are sliced, what was found out holds beside any other modules."""
        key = (LookedAt, frozenset(sliced.values()))
        known = self._project.kept(key, lambda: (dict[str, LookedAt](), True))
        found = dict(known)
        for each in look_at(whole, sliced, self._project, known):
            found[each.name] = each
            if each.is_settled:
                known[each.name] = each
        return found

    def _packed(self, part: tuple[ModuleSource, ...], check: Callable[[bytes], None]) -> str:
        def pack() -> tuple[str, bool]:
            data = worker_runtime.serialized({each.name: each.text for each in part})
            check(data)
            return worker_runtime.packed(data), True

        return self._project.kept(part, pack)


@dataclass(frozen=True, eq=False)
class LookedAt:
    """A module that travels whole.

    ``together`` is the hash of its source, of the modules that it imports in a circle, and of all
    that these import; ``key`` what it is known by; ``shipped`` what the worker is told of it;
    ``is_settled``: the texts alone say all of that. ``absent`` as of WholeModules.
    """

    name: str
    together: str
    key: str
    shipped: str
    absent: frozenset[str]
    is_settled: bool


def look_at(
    whole: Mapping[str, ModuleSource],
    sliced: Mapping[str, ModuleSource],
    project: ProjectModules,
    known: Mapping[str, LookedAt],
) -> Iterator[LookedAt]:
    """The ``whole`` modules that are not ``known``: each is known by the hash of its source and of
    all that it imports of the project. Those that are ``sliced`` are known by their files.

    ``whole`` must be complete: see ``ProjectModules.reached``.
    """
    travelling = whole.keys() | sliced.keys()
    new = {name: source for name, source in whole.items() if name not in known}
    direct = {name: _direct(source, travelling, project) for name, source in new.items()}
    hashes = {name: known[name].together for name in whole.keys() - new.keys()}
    hashes |= {name: f"{name} part {source.digest}" for name, source in sliced.items()}
    unsettled = set[str]()
    for group in _in_order(direct):
        members = [f"{name} whole {whole[name].digest}" for name in group]
        outside = {other for name in group for other in direct[name]}.difference(group)
        together = short_hash(" ".join([*members, *sorted({hashes[each] for each in outside})]))
        settled = all(whole[name].facts.is_settled for name in group)
        if not settled or not unsettled.isdisjoint(outside):
            unsettled.update(group)
        for name in group:
            hashes[name] = together
            source, key = whole[name], short_hash(f"{name} {together}")
            shipped = Shipped(name, key, source.digest, source.file, source.package)
            told = repr(worker_runtime.positional(shipped))
            absent = project.absent_for(source)
            yield LookedAt(name, together, key, told, absent, name not in unsettled)


def _parts(sources: Sequence[ModuleSource]) -> Iterator[tuple[ModuleSource, ...]]:
    """``sources`` in parts whose ends depend on names near there alone: most parts of two sets that
    differ in some modules are the same."""
    part: list[ModuleSource] = []
    for each in sources:
        part.append(each)
        if len(part) >= _SMALLEST_PART and each.ends_part:
            yield tuple(part)
            part.clear()
    if part:
        yield tuple(part)


def _direct(source: ModuleSource, travelling: Set[str], project: ProjectModules) -> Set[str]:
    """Those of the modules that travel that ``source`` imports, as far as it tells."""
    if not source.facts.is_settled and any(each.below == "" for each in source.imports):
        return travelling
    return (project.named_by(source) | set(with_parents(source.name))) & travelling


def _in_order(direct: Mapping[str, Collection[str]]) -> Iterator[list[str]]:
    """Modules in groups, each after those that it imports; modules that import each other, in
    whatever way, are one group. (Tarjan's algorithm, without recursion.)"""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    open_, stack = set[str](), list[str]()
    for start in sorted(direct):
        if start in number:
            continue
        path: list[tuple[str, Iterator[str]]] = [(start, iter(()))]
        while path:
            name, below = path[-1]
            if name not in number:
                number[name] = lowest[name] = len(number)
                stack.append(name)
                open_.add(name)
                below = iter([each for each in direct[name] if each in direct])
                path[-1] = name, below
            for other in below:
                if other not in number:
                    path.append((other, iter(())))
                    break
                if other in open_:
                    lowest[name] = min(lowest[name], lowest[other])
            else:
                path.pop()
                if path:
                    above = path[-1][0]
                    lowest[above] = min(lowest[above], lowest[name])
                if lowest[name] == number[name]:
                    first = stack.index(name) if stack[-1] != name else len(stack) - 1
                    group = stack[first:]
                    del stack[first:]
                    open_.difference_update(group)
                    yield sorted(group)
