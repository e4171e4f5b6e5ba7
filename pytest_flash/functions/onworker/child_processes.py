"""Processes that a function starts with ``multiprocessing`` find the modules of its call.

A forked one has them. One of the start methods spawn and forkserver is a new interpreter, which
gets ``sys.path`` of its parent before it reads anything else: an entry of it brings them along.
Processes that outlive the call have its modules for good, so joblib's pool is left to calls of the
same ones.
"""

from __future__ import annotations

import contextlib
import pickle
import sys
from collections.abc import Iterator, Sequence
from multiprocessing import context
from typing import Any

from .bundle import Bundle, Value

BOOT = (
    "import sys\n"
    "if {name!r} not in sys.modules:\n"
    "    import base64, json, types, zlib\n"
    "    made = types.ModuleType({name!r})\n"
    "    made.__path__ = []\n"
    "    made.packed = {packed!r}\n"
    "    sys.modules[{name!r}] = made\n"
    "    for part, text in json.loads(zlib.decompress(base64.b85decode(made.packed))):\n"
    '        part = types.ModuleType({name!r} + "." + part)\n'
    "        part.__package__ = {name!r}\n"
    "        sys.modules[part.__name__] = part\n"
    '        setattr(made, part.__name__.rpartition(".")[2], part)\n'
    '        exec(compile(text, "<pytest-flash>", "exec"), part.__dict__)\n'
)
"""Source text that makes this package importable under ``name``, from its ``packed`` sources."""

# Where joblib keeps one pool for whoever asks next, whose call may have other modules.
_KEEPING = ("joblib.externals.loky.reusable_executor", "loky.reusable_executor")
_STARTED_BY = "_flash_started_by"

_ADOPT = "sys.modules[{name!r}].entry_point.adopt({data!r})\n"


class _Modules(str):
    """An entry of ``sys.path`` that names nothing. As ``multiprocessing`` sends it to a process
    that it starts, it makes that process have these modules."""

    bundle: Bundle
    values: Sequence[Value]

    def __reduce__(self) -> tuple[Any, ...]:
        if context.get_spawning_popen() is None:
            return str, (str(self),)  # On its way to somewhere else.
        return eval, (f"exec({self._code()!r}, {{}}) or {str(self)!r}",)

    def _code(self) -> str:
        name = str(__package__)
        packed = sys.modules[name].__dict__["packed"]
        data = pickle.dumps((self.bundle.modules, self.bundle.sources, tuple(self.values)))
        # The process sets its path after it has read it, and this is being read.
        path = (
            f"import sys\nsys.path[:] = {[each for each in map(str, sys.path) if each != self]}\n"
        )
        return path + BOOT.format(name=name, packed=packed) + _ADOPT.format(name=name, data=data)


@contextlib.contextmanager
def inheriting(bundle: Bundle, values: Sequence[Value]) -> Iterator[None]:
    """Let processes that are started while the context lasts have these modules."""
    entry = _Modules(f"<{__package__}>")
    entry.bundle, entry.values = bundle, values
    path = sys.path
    path.append(entry)
    for pool in _kept_pools():
        if vars(pool).get(_STARTED_BY, bundle) != bundle:
            pool.shutdown(wait=False)
    try:
        yield
    finally:
        for pool in _kept_pools():
            vars(pool).setdefault(_STARTED_BY, bundle)
        path[:] = [each for each in path if each is not entry]


def _kept_pools() -> Iterator[Any]:
    for name in _KEEPING:
        pool = getattr(sys.modules.get(name), "_executor", None)
        if pool is not None:
            yield pool
