"""What a call brings along: the modules of the project that it may import, and values."""

from __future__ import annotations

import functools
import json
import weakref
import zlib
from base64 import b85decode
from collections.abc import Mapping
from dataclasses import dataclass

STANDIN = "pytest_flash"


@dataclass(frozen=True)
class Shipped:
    """One module of a call.

    ``digest`` is the hash of its file, ``key`` that of all that makes it what it is: its file and
    what it imports of the project. A module that travels in part, a slice, has ``remote_lines``
    and no key; its ``imports`` are the lines of the statements that import something, with the
    hash of what that is. A ``stub`` is a package of which nothing but its modules travels.
    ``left`` are names that stayed at the caller, and why; ``beside`` modules that its file imports
    without using them, and what these import, with the hashes of their files: they may have put
    something into others when they travelled.
    """

    name: str
    key: str
    digest: str
    file: str
    package: bool
    remote_lines: tuple[int, ...] | None = None
    stub: bool = False
    imports: tuple[tuple[int, str], ...] = ()
    left: tuple[tuple[str, str], ...] = ()
    beside: tuple[tuple[str, str], ...] = ()

    @property
    def sliced(self) -> bool:
        """Whether it travels in part."""
        return self.remote_lines is not None


@dataclass(frozen=True)
class Value:
    """A module-level value of the caller: pickled, known by its digest, bound at ``line``."""

    module: str
    name: str
    line: int
    digest: bytes
    data: bytes


@dataclass(frozen=True, eq=False)
class Bundle:
    """The modules of a call. ``sources`` are parts of compressed JSON of their texts by name."""

    modules: tuple[Shipped, ...]
    sources: tuple[str, ...]

    @functools.cached_property
    def shipped(self) -> Mapping[str, Shipped]:
        """The modules by name."""
        return {each.name: each for each in self.modules}

    @functools.cached_property
    def texts(self) -> Mapping[str, str]:
        """The source texts by the names of their modules; those of other files by the file's."""
        texts: dict[str, str] = {}
        for part in self.sources:
            texts.update(json.loads(zlib.decompress(b85decode(part))))
        return texts

    @functools.cached_property
    def digests(self) -> Mapping[str, str]:
        """The hashes of the modules' files, also of those beside them."""
        beside = {name: digest for each in self.modules for name, digest in each.beside}
        return beside | {each.name: each.digest for each in self.modules if not each.stub}

    @functools.cached_property
    def below(self) -> tuple[tuple[str, str, str], ...]:
        """Modules of packages: the whole name, that of the package, and the last part."""
        names = (each.name.rpartition(".") for each in self.modules if "." in each.name)
        return tuple((f"{above}.{child}", above, child) for above, _, child in names)

    @functools.cached_property
    def packages(self) -> tuple[str, ...]:
        """The names of the packages."""
        return tuple(each.name for each in self.modules if each.package)

    @functools.cached_property
    def tops(self) -> frozenset[str]:
        """The first parts of the names that the call takes."""
        return frozenset({each.name.partition(".")[0] for each in self.modules} | {STANDIN})

    def contradicts(self, other: Bundle) -> bool:
        """Whether some file of both is not the same in both: they are of different times."""
        found = self._contradicted.get(other)
        if found is None:
            known = self.digests
            found = any(known.get(name, digest) != digest for name, digest in other.digests.items())
            self._contradicted[other] = found
        return found

    @functools.cached_property
    def _contradicted(self) -> weakref.WeakKeyDictionary[Bundle, bool]:
        # Asked for each of the modules, of which there may be a thousand.
        return weakref.WeakKeyDictionary()
