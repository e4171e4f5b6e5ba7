"""The modules that travel whole: what they are known by, and all of them ready to be sent."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, Set
from dataclasses import dataclass, field

from ..onworker.bundle import Shipped
from . import worker_runtime
from .module_lookups import with_parents
from .project_modules import ModuleSource, ProjectModules, name_on_worker
from .source_facts import short_hash


@dataclass(frozen=True, eq=False)
class WholeModules:
    """Modules that travel whole beside slices of others. ``known`` are the keys of all of them;
    ``modules`` what the worker is told of each, and ``packed`` the ``texts``, as source text;
    ``absent`` are modules that they import and that are not there."""

    known: Mapping[str, str]
    texts: Mapping[str, str] = field(repr=False)
    modules: tuple[str, ...] = field(repr=False)
    packed: str = field(repr=False)
    absent: frozenset[str] = field(repr=False)


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
        known = keys(whole, sliced, self._project)
        modules = (
            Shipped(name, known[name], source.digest, source.file, source.package)
            for name, source in sorted(whole.items())
        )
        texts = {name: source.text for name, source in sorted(whole.items())}
        data = worker_runtime.serialized(texts)
        check(data)
        return WholeModules(
            known,
            texts,
            tuple(repr(worker_runtime.positional(each)) for each in modules),
            worker_runtime.packed(data),
            frozenset[str]().union(*map(self._project.absent_for, whole.values())),
        )


def keys(
    whole: Mapping[str, ModuleSource], sliced: Mapping[str, ModuleSource], project: ProjectModules
) -> dict[str, str]:
    """What each module that travels ``whole`` is known by: the hash of its source and of all that
    it imports of the project. Those that are ``sliced`` are known by their files.

    ``whole`` must be complete: see ``ProjectModules.reached``.
    """
    travelling = whole.keys() | sliced.keys()
    direct = {name: _direct(source, travelling, project) for name, source in whole.items()}
    found = {name_on_worker(name): source.digest for name, source in sliced.items()}
    hashes = {name: f"{name} part {source.digest}" for name, source in sliced.items()}
    for group in _in_order(direct):
        members = [f"{name} whole {whole[name].digest}" for name in group]
        below = {hashes[other] for name in group for other in direct[name] if other not in group}
        together = short_hash(" ".join([*members, *sorted(below)]))
        for name in group:
            hashes[name] = together
            found[name] = short_hash(f"{name} {together}")
    return found


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
