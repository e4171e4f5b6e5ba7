"""What a module's source tells about its imports: found once, for as long as it stays the same."""

from __future__ import annotations

import ast
import functools
import hashlib
import pickle
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from .source_imports import Import, Node, Place, bindings, imports_among, nodes_of


@dataclass(frozen=True, eq=False)
class SourceFacts:
    """Every import in a source, and every name that follows a dot there."""

    imports: tuple[Import, ...]
    attributes: frozenset[str]

    @functools.cached_property
    def wants(self) -> Mapping[str, frozenset[str]]:
        """The names that it takes from other modules, and perhaps more, by module."""
        return wanted_names(self.imports, self.attributes)

    @functools.cached_property
    def is_settled(self) -> bool:
        """Whether the text alone says which modules it may import: code makes up no names of
        modules, and no ``import *`` asks another module for what there is."""
        return are_settled(self.imports)


def are_settled(imports: Iterable[Import]) -> bool:
    """Whether the text alone says which modules ``imports`` may load; see ``is_settled``."""
    return not any(each.star or each.below is not None for each in imports)


def facts_of(tree: ast.Module, place: Place) -> SourceFacts:
    """What ``tree``, the source of the module ``place``, tells."""
    nodes = nodes_of(tree)
    imports = imports_among(nodes, place, bindings(nodes, place))
    return SourceFacts(tuple(imports), _attributes(nodes))


def attributes_in(tree: ast.AST) -> frozenset[str]:
    """Every name that follows a dot in ``tree``."""
    return _attributes(nodes_of(tree))


def _attributes(nodes: Iterable[Node]) -> frozenset[str]:
    return frozenset(each.node.attr for each in nodes if isinstance(each.node, ast.Attribute))


def wanted_names(
    imports: Iterable[Import], attributes: frozenset[str]
) -> dict[str, frozenset[str]]:
    """What code with these ``imports`` takes from each module: of one that it has as a whole, any
    of the ``attributes``."""
    found: dict[str, frozenset[str]] = {}
    for each in imports:
        names = attributes if each.names is None else frozenset(each.names)
        found[each.module] = found.get(each.module, frozenset()) | names
    return found


# By the names of modules: the digest of a source, and what that tells.
Learned = Mapping[str, tuple[str, SourceFacts]]


class KnownSources:
    """What is known of modules, by their names: of each for the source that it has now.

    ``earlier`` is what another process has learned: ``encoded`` there, of what ``on_learned`` got.
    """

    def __init__(
        self,
        earlier: Mapping[str, bytes] | None = None,
        on_learned: Callable[[Learned], None] = lambda _: None,
    ) -> None:
        self._earlier = dict(earlier or {})
        self._known: dict[str, tuple[str, SourceFacts]] = {}
        self._new: set[str] = set()
        self._on_learned = on_learned

    def facts(self, name: str, digest: str, find_out: Callable[[], SourceFacts]) -> SourceFacts:
        """Those of the module ``name`` while its source has this ``digest``."""
        known = self._known.get(name) or self._from_earlier(name)
        if known is None or known[0] != digest:
            known = digest, find_out()
            self._new.add(name)
        self._known[name] = known
        return known[1]

    def hand_out(self) -> None:
        """Give away what was learned since the last time."""
        if self._new:
            learned = {name: self._known[name] for name in self._new}
            self._new.clear()
            self._on_learned(learned)

    def _from_earlier(self, name: str) -> tuple[str, SourceFacts] | None:
        data = self._earlier.pop(name, None)
        if data is None:
            return None
        digest, imports, attributes = pickle.loads(data)
        return digest, SourceFacts(imports, attributes)


def encoded(learned: Learned) -> dict[str, bytes]:
    """What was learned, for another process of this program."""
    return {
        name: pickle.dumps((digest, facts.imports, facts.attributes))
        for name, (digest, facts) in learned.items()
    }


def short_hash(text: str) -> str:
    """A hash of ``text``, in 20 characters."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:20]
