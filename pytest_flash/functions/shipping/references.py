"""What a pickle, or the code in it, expects of the project's modules on a worker."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WholeModule:
    """All of a module, which travels as an object."""

    module: str


@dataclass(frozen=True)
class TopLevelName:
    """A name at the top level of a module: a class, a function, or what these look up."""

    module: str
    name: str


@dataclass(frozen=True)
class HomeModule:
    """The module that code lives in, whatever it uses of it."""

    module: str


@dataclass(frozen=True)
class SourceLines:
    """Lines of a module's file, which tracebacks and ``inspect`` show; both ends included."""

    module: str
    first: int
    last: int


Reference = WholeModule | TopLevelName | HomeModule | SourceLines
References = frozenset[Reference]
