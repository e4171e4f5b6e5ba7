"""Where code finds modules: in ``sys.modules``, and as attributes of the packages above them.

``from package import module`` takes the attribute, which outlives the entry in ``sys.modules``:
both change hands together. Where calls run at once that have different modules of one name, a
stand-in is found in both places, which leads each call to its own.
"""

from __future__ import annotations

import functools
import importlib
import sys
import types
import weakref
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from .module_views import ModuleView

_NOTHING: Any = object()


class Shared(types.ModuleType):
    """Stands for the module of this name that the call that asks has."""

    def __init__(self, name: str, own: Callable[[], types.ModuleType]) -> None:
        super().__init__(name)
        object.__getattribute__(self, "__dict__")["_flash_own"] = own

    def __getattribute__(self, name: str) -> Any:
        return getattr(_own(self), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(_own(self), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(_own(self), name)

    def __dir__(self) -> Iterable[str]:
        return dir(_own(self))

    def __repr__(self) -> str:
        return repr(_own(self))


def _own(shared: Shared) -> types.ModuleType:
    own: Callable[[], types.ModuleType] = _space(shared)["_flash_own"]
    return own()


def _space(module: types.ModuleType) -> dict[str, Any]:
    found: dict[str, Any] = object.__getattribute__(module, "__dict__")
    return found


class ModulePlaces:
    """Puts modules where code finds them. ``own`` gives the module of a name that the call that
    asks has."""

    def __init__(self, own: Callable[[str], types.ModuleType]) -> None:
        self._own = own
        self._shared: dict[str, Shared] = {}
        self._placed: set[str] = set()
        # What was found below a package by any call.
        self._below: weakref.WeakKeyDictionary[types.ModuleType, set[str]]
        self._below = weakref.WeakKeyDictionary()

    def settle(self, views: Sequence[ModuleView]) -> None:
        """From now on the calls that have these views run, and no others."""
        different = list(dict.fromkeys(views))
        names = {name for view in different for name in view.bundle.shipped}
        for name in self._placed - names:
            sys.modules.pop(name, None)
        self._placed = names
        if len(different) == 1:
            self._settle_one(different[0])
        elif different:
            self._settle_all(different, names)

    def note(self, package: types.ModuleType, child: str) -> None:
        """The import system makes the module ``child`` an attribute of ``package``."""
        self._below.setdefault(package, set()).add(child)

    def attach(self, view: ModuleView, package: types.ModuleType) -> None:
        """Give a package that is about to be executed the modules below it that were before.

        Others of those that travel are imported when they are asked for: where they come from
        they had been imported, by code that may not be here.
        """
        name = package.__name__
        package.__dict__["__getattr__"] = functools.partial(_import_below, package)
        for each, above, child in view.bundle.below:
            module = view.module(each) if above == name else None
            if module is not None:
                self._set(package, child, module)

    def _settle_one(self, view: ModuleView) -> None:
        modules = sys.modules
        for name in view.bundle.shipped:
            module = view.module(name)
            if module is not None:
                modules[name] = module
            elif name not in view.importing:
                modules.pop(name, None)
        for name, above, child in view.bundle.below:
            package = view.module(above)
            if package is not None:
                self._set(package, child, view.module(name))
        self._take_away(view)

    def _settle_all(self, views: Sequence[ModuleView], names: Collection[str]) -> None:
        found = {name: self._found(name, views) for name in sorted(names)}
        for name, module in found.items():
            if module is not None:
                sys.modules[name] = module
            elif not any(name in view.importing for view in views):
                sys.modules.pop(name, None)
        for view in views:
            for name, above, child in view.bundle.below:
                package = view.module(above)
                if package is not None:
                    having = [each for each in views if each.module(above) is package]
                    self._set(package, child, self._found(name, having))
        for view in views:
            self._take_away(view, names)

    def _found(self, name: str, views: Sequence[ModuleView]) -> types.ModuleType | None:
        """What stands for ``name`` while the calls of all these views run."""
        having = [view for view in views if name in view.bundle.shipped]
        keys = {_key(view, name) for view in having}
        times = any(view.bundle.contradicts(having[0].bundle) for view in views)
        if len(keys) > 1 or (times and len(having) < len(views)):
            own = functools.partial(self._own, name)
            return self._shared.setdefault(name, Shared(name, own))
        return next((m for view in having if (m := view.module(name)) is not None), None)

    def _take_away(self, view: ModuleView, names: Collection[str] = ()) -> None:
        """From packages, the modules below them that this call does not have."""
        for name in view.bundle.packages:
            package = view.module(name)
            for child in self._below.get(package, ()) if package is not None else ():
                full = f"{name}.{child}"
                if full not in view.bundle.shipped and full not in names and package is not None:
                    self._set(package, child, None)

    def _set(self, package: types.ModuleType, child: str, module: types.ModuleType | None) -> None:
        """Unless the package has something else of this name."""
        space = package.__dict__
        found = space.get(child, _NOTHING)
        if found is module or (found is _NOTHING and module is None):
            return
        name = f"{package.__name__}.{child}"
        if found is not _NOTHING and not _is_module(found, name):
            return
        if module is None:
            del space[child]
        else:
            self.note(package, child)
            space[child] = module


def _import_below(package: types.ModuleType, child: str) -> types.ModuleType:
    name = f"{package.__name__}.{child}"
    if child.startswith("__"):
        raise AttributeError(f"module {package.__name__!r} has no attribute {child!r}")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        text = f"module {package.__name__!r} has no attribute {child!r}"
        raise AttributeError(text, name=child, obj=package) from None


def _key(view: ModuleView, name: str) -> object:
    """The same for views that have the same module, or would."""
    module, shipped = view.module(name), view.bundle.shipped[name]
    return module if module is not None else (shipped.key, shipped.digest)


def _is_module(found: Any, name: str) -> bool:
    # By its type: some objects call themselves modules (cffi's libraries) and have no namespace.
    return issubclass(type(found), types.ModuleType) and _space(found).get("__name__") == name
