"""Notices the import of an official SDK, before any of its code runs.

An app, a conftest or a test module may import one at any time, earlier than any fixture. So this is
an import finder; of every other import it looks at the name alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from . import GUESTS, MODULES

if TYPE_CHECKING:
    from .emulator_host import EmulatorHost

_CLIENT = "runpod"
_PACKAGES = frozenset({_CLIENT, *(each.partition(".")[0] for each in MODULES)})
# They hold paths of files that an SDK reads and writes; see ``emulator_host``.
_HOLDERS = ("runpod.cli.groups.config.functions", "runpod_flash.core.resources.resource_manager")


class SdkFinder(MetaPathFinder):
    """Keeps ``sdks`` off the cloud that are imported from now on, if ``applies`` says so then.

    ``find_host`` gives the emulator that guests are led to, which may raise. ``kept`` says that an
    SDK was kept off, and ``host`` where guests were led.
    """

    def __init__(
        self,
        applies: Callable[[], bool],
        find_host: Callable[[], EmulatorHost] | None = None,
        sdks: Collection[str] = MODULES,
    ) -> None:
        self._applies = applies
        self._find_host = find_host
        self._sdks = sdks
        self.kept = False
        self.host: EmulatorHost | None = None

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that the finders after this one have, prepared to call us when it is loaded.

        Looking for a module (``importlib.util.find_spec``) is not importing it.
        """
        if self.kept and name.partition(".")[0] in _PACKAGES:
            self.stay_off()  # Its modules read the environment as each is imported.
        if name not in MODULES and name != _CLIENT and name not in _HOLDERS:
            return None
        spec = self._found_by_others(name, path, target)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            assert spec.loader is not None
            spec.loader = _Noticing(spec.loader, self)
        return spec

    def before(self, module: str) -> None:
        """An SDK is about to run its first line."""
        if module in self._sdks and self._applies():
            if module in GUESTS and self.host is None and self._find_host is not None:
                self.host = self._find_host()
            self.kept = True
            self.stay_off()

    def stay_off(self) -> None:
        """Where an SDK was kept off or led, do so again: somebody may have brought back the
        environment from before its import, as ``mock.patch.dict`` does."""
        if self.host is not None:
            self.host.lead()
        elif self.kept:
            from .keep_off_cloud import keep_off

            keep_off()

    def after(self, module: str) -> None:
        """It has been imported."""
        if self.host is not None:
            self.host.lead_modules()
        elif module == _CLIENT:
            from .keep_off_cloud import keep_client_off

            keep_client_off()

    def _found_by_others(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        finders: list[Any] = sys.meta_path[sys.meta_path.index(self) + 1 :]
        for finder in finders:
            find = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(name, path, target) if find is not None else None
            if spec is not None:
                return spec
        return None


class _Noticing(Loader):
    """A module's own loader, which the module gets back before it is run."""

    def __init__(self, loader: Loader, finder: SdkFinder) -> None:
        self._loader = loader
        self._finder = finder

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As its own loader does."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, between two calls of the finder."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._finder.before(module.__name__)
        self._loader.exec_module(module)
        self._finder.after(module.__name__)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


def stay_off() -> None:
    """As ``SdkFinder.stay_off``, of the finder that is registered, if there is one."""
    for each in sys.meta_path:
        if isinstance(each, SdkFinder):
            each.stay_off()


def watch_imports(
    applies: Callable[[], bool],
    find_host: Callable[[], EmulatorHost] | None = None,
    sdks: Collection[str] = MODULES,
) -> None:
    """Register a finder, in place of one that is there."""
    finder = SdkFinder(applies, find_host, sdks)
    for before in [each for each in sys.meta_path if isinstance(each, SdkFinder)]:
        finder.kept, finder.host = before.kept, before.host
        sys.meta_path.remove(before)
    sys.meta_path.insert(0, finder)
