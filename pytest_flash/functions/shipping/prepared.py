"""What was found to travel with a function, ready for every call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .loaded_source import LoadedSource
from .whole_modules import WholeModules


@dataclass(frozen=True, eq=False)
class NamedValue:
    """A name at the top level of ``module``, bound at ``line``; ``namespace`` has its value."""

    module: str
    name: str
    line: int
    namespace: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Prepared:
    """Source text that defines ``name`` when a worker executes it, ready for every call.

    ``values`` are those that travel beside it; ``sources`` the texts that are in ``code``, by
    module. It was made from the modules that were ``imported`` here and others that were
    ``unloaded``; ``absent`` ones were not there. ``whole`` is what it shares with other functions.
    """

    name: str
    code: str
    values: tuple[NamedValue, ...]
    sources: Mapping[str, str] = field(repr=False)
    imported: tuple[LoadedSource, ...] = field(repr=False)
    unloaded: tuple[LoadedSource, ...] = field(repr=False)
    absent: frozenset[str] = field(repr=False)
    whole: WholeModules = field(repr=False)
