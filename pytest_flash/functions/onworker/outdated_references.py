"""Whether a module that was executed before holds what other modules were then, and are no more.

Its own code and what it imports by name are the same. That others put something into it, such as
into a registry, or that it looked something up by a computed name, shows in its state alone.
"""

from __future__ import annotations

import collections
import gc
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from . import placeholders

# Objects that are looked at in one module, nearest first, and items in one container: state may
# be large, such as a vocabulary, and what other modules put there is near the top.
_OBJECTS, _ITEMS = 20_000, 2_000
_CONTAINERS = {dict, list, set, frozenset, tuple, collections.deque, collections.OrderedDict}
# What the import system gives a module leads to all others.
_IMPORTS = {"__spec__", "__loader__", "__builtins__"}
_CLOSED = (
    *(str, bytes, bytearray, int, float, complex, types.CodeType, types.FrameType),
    *(types.TracebackType, types.BuiltinFunctionType, types.GeneratorType, types.CoroutineType),
)


def holds(module: types.ModuleType, outdated: Callable[[Any], bool]) -> bool:
    """Whether a module, a function or a class that ``module`` leads to is ``outdated``.

    Looks without asking: no code of what is looked at runs.
    """
    own = module.__dict__
    seen = {id(own)}
    waiting = collections.deque(
        each for name, each in own.items() if not _is_of_imports(module, name, each)
    )
    while waiting and len(seen) < _OBJECTS:
        each = waiting.popleft()
        kind = type(each)
        if id(each) in seen or issubclass(kind, _CLOSED):
            continue
        seen.add(id(each))
        if issubclass(kind, types.ModuleType | types.FunctionType | type):
            if outdated(each):
                return True
            waiting.extend(_below(each, module.__name__))
        else:
            waiting.append(kind)
            waiting.extend(_parts(each))
    return False


def _is_of_imports(module: types.ModuleType, name: str, value: Any) -> bool:
    """Whether the import system gave ``module`` this attribute: a module below it, which changes
    hands with ``sys.modules``, or what leads to all modules."""
    below = issubclass(type(value), types.ModuleType) and hasattr(module, "__path__")
    full = f"{module.__name__}.{name}"
    return name in _IMPORTS or (below and (_namespace(value) or {}).get("__name__") == full)


def is_outdated(each: Any, names: Collection[str], current: Mapping[str, types.ModuleType]) -> bool:
    """Whether a module, a function or a class is of one of the modules ``names``, but not of the
    one of that name that is ``current``."""
    space = _namespace(each)
    name: Any = space.get("__name__") if space is not None else _of_class(each, "__module__")
    if name not in names:
        return False
    if name not in current:
        return True
    if space is not None:
        return space is not vars(current[name])
    path = _of_class(each, "__qualname__")
    return "<" not in path and placeholders.behind(_at(vars(current[name]), path)) is not each


def _namespace(each: Any) -> dict[str, Any] | None:
    """The namespace that ``each`` lives in; None for a class that does not tell."""
    if issubclass(type(each), types.ModuleType):
        found: dict[str, Any] = object.__getattribute__(each, "__dict__")
        return found
    if issubclass(type(each), types.FunctionType):
        return each.__globals__  # type: ignore[no-any-return]
    name = _of_class(each, "__module__")
    for part in _of_class(each, "__dict__").values():
        if type(part) is types.FunctionType and part.__globals__.get("__name__") == name:
            return part.__globals__
    return None


def _of_class(kind: Any, name: str) -> Any:
    """An attribute of a class; runs no code of its metaclass."""
    return type.__getattribute__(kind, name)


def _at(space: Mapping[str, Any], path: str) -> Any:
    found: Any = None
    for part in path.split("."):
        found = space.get(part)
        space = _of_class(found, "__dict__") if isinstance(found, type) else {}
    return found


def _below(each: Any, home: str) -> Iterator[Any]:
    """What else belongs to a function, or to a class of the module ``home``."""
    if issubclass(type(each), types.FunctionType):
        for cell in each.__closure__ or ():
            try:
                yield cell.cell_contents
            except ValueError:
                continue  # A name that the enclosing function has not bound yet.
        yield from each.__defaults__ or ()
        yield from (each.__kwdefaults__ or {}).values()
        yield from vars(each).values()
    elif issubclass(type(each), type) and _of_class(each, "__module__") == home:
        yield from _of_class(each, "__dict__").values()
        yield from type.__subclasses__(each)


def _parts(each: Any) -> Iterable[Any]:
    if not gc.is_tracked(each) or (type(each) in _CONTAINERS and len(each) > _ITEMS):
        return ()
    return gc.get_referents(each)
