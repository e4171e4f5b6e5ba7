"""What travels with a remote function: found once, and sent with every call of it."""

from __future__ import annotations

import hashlib
import inspect
import pickle
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ...errors import CannotTravelError
from ..declaration.signatures import Takes, taking_call
from ..declaration.specs import FunctionSpec
from ..onworker.bundle import Value
from . import worker_runtime
from .declared_packages import Declared
from .file_slices import SlicedFile
from .loaded_source import ChangedSinceError, LoadedTexts
from .needed_source import Gathering, Home, changed, home_of, is_replaced
from .pickling import digest, pack, pack_data
from .prepared import NamedValue, Prepared
from .project_modules import ProjectModules, name_on_worker
from .references import References
from .refusals import Refusals
from .source_facts import KnownSources
from .synthetic_frames import at
from .whole_modules import SharedModules


@dataclass(frozen=True)
class Payload:
    """The two arguments that a worker gives to what it finds under the function's name."""

    header: bytes
    data: bytes


class Shipping:
    """Prepares functions for workers, and what their calls take along.

    ``secrets`` may not leave this machine. ``image`` gives the requirements that a function's
    worker image brings, None where nobody knows. ``texts`` are those of the modules that are
    loaded here, and ``known`` is what they tell.
    """

    def __init__(
        self,
        secrets: Collection[str] = (),
        image: Callable[[FunctionSpec], Collection[str] | None] = lambda _: None,
        texts: LoadedTexts | None = None,
        known: KnownSources | None = None,
    ) -> None:
        self._texts = texts or LoadedTexts()
        self._known = known or KnownSources()
        self._project = ProjectModules(self._texts, self._known)
        self._shared = SharedModules(self._project)
        self._image = image
        self._files: dict[str, SlicedFile] = {}
        self._takes: dict[FunctionSpec, Takes] = {}
        self._homes: dict[FunctionSpec, Home | None] = {}
        self._prepared: dict[tuple[FunctionSpec, References], Prepared] = {}
        self._refusals = Refusals(self._project, secrets)

    def keep_texts(self) -> None:
        """Read the source of what is loaded now: it travels also if its files change."""
        self._texts.keep()

    def call(
        self, spec: FunctionSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[Prepared, Payload]:
        """What to send for one call of ``spec``; of a method, ``args`` begin with an Instance.

        Raises CannotTravelError for what cannot be sent, naming it, its line and the way out.
        """
        return self.send(spec, self.pack(spec, args, kwargs))

    def pack(self, spec: FunctionSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Packed:
        """The arguments of one call, which ``send`` takes as often as one likes; as ``call``."""
        self._check_arguments(spec, args, kwargs)
        init = None
        if spec.method:
            init, args = args[0], args[1:]
        with self._refusals.of_arguments(spec, args, kwargs):
            data, references = self._packed(spec, args, kwargs)
        self._refusals.secrets_in_arguments(spec, data, args, kwargs)
        return Packed(data, references, init)

    def send(self, spec: FunctionSpec, packed: Packed) -> tuple[Prepared, Payload]:
        """What to send for a call of ``spec``, as it is now, with arguments that were packed."""
        init, references = packed.init, packed.references
        if init is not None:
            references |= init.references
        prepared = self._prepare(spec, references)
        values = [worker_runtime.positional(self._value(spec, each)) for each in prepared.values]
        header = pickle.dumps((values, (init.data, init.digest) if init is not None else None))
        return prepared, Payload(header, packed.data)

    def prepare(self, spec: FunctionSpec) -> Prepared:
        """What is sent with calls of ``spec`` whose arguments need nothing of the project.

        Raises CannotTravelError.
        """
        return self._prepare(spec, self._packed(spec, (), {})[1])

    def _packed(
        self, spec: FunctionSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[bytes, References]:
        """The arguments, with the function itself where it is carried."""
        carried = (spec.owner or spec.function,) if self._home(spec) is None else ()
        return pack((*carried, args, dict(kwargs)), self._project)

    def construct(
        self, spec: FunctionSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Constructor:
        """The arguments of a remote class, as its methods' calls take them along."""
        with self._refusals.of_arguments(spec, args, kwargs):
            data, references = pack((args, dict(kwargs)), self._project)
        self._refusals.secrets_in_arguments(spec, data, args, kwargs)
        same = inspect.signature(spec.function).bind(*args, **kwargs)
        same.apply_defaults()
        return Constructor(data, references, digest((same.args, same.kwargs), self._project))

    def _check_arguments(
        self, spec: FunctionSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        """Raise the TypeError of a call that does not fit, before it costs a job."""
        takes = self._takes.get(spec)
        if takes is None:
            takes = self._takes[spec] = taking_call(spec)
        try:
            takes(*args, **kwargs)
            return
        except TypeError as error:
            problem = str(error)
        # Raised where it has no context, which some frameworks show in spite of `from None`.
        raise at(TypeError(problem), spec.file, spec.line, spec.name)

    def _home(self, spec: FunctionSpec) -> Home | None:
        if spec not in self._homes:
            with _as_loaded(spec):
                self._homes[spec] = home_of(spec, self._project)
        return self._homes[spec]

    def _prepare(self, spec: FunctionSpec, references: References) -> Prepared:
        key = (spec, references)
        prepared = self._prepared.get(key)
        if prepared is None or not (self._is_current(prepared) or is_replaced(spec)):
            self._project.refresh()
            requirements = "\n".join((*spec.dependencies, *spec.system_dependencies)).encode()
            self._refusals.secrets_in(spec, f"a dependency of {spec.name}", requirements)
            declared = Declared(spec.dependencies, self._image(spec))
            home = self._home(spec)
            gathering = Gathering(
                spec, home, self._project, self._refusals, declared, self._files, self._shared
            )
            with _as_loaded(spec):
                prepared = self._prepared[key] = gathering.prepared(references)
            self._known.hand_out()
        return prepared

    def _is_current(self, prepared: Prepared) -> bool:
        """Whether nothing that it was made from was imported or reloaded since. Touches no file,
        and is asked at every call."""
        modules = sys.modules
        for each in prepared.imported:
            module = each.module
            if modules.get(each.name) is not module:
                return False
            if getattr(module, "__spec__", None) is not each.spec:
                return False
        known = all(map(self._texts.is_latest, prepared.unloaded))
        return known and modules.keys().isdisjoint(prepared.absent)

    def _value(self, spec: FunctionSpec, named: NamedValue) -> Value:
        module, name, value = named.module, named.name, named.namespace[named.name]
        packed = pack_data(value, self._project)
        if packed is None:
            raise CannotTravelError(
                f"{spec.location}: {spec.name} uses {name} of {module}, which was plain data at "
                f"the first call and is a {type(value).__name__} now; give it another name"
            )
        what = f"{name} ({module}, line {named.line}), which {spec.name} uses,"
        self._refusals.secrets_in(spec, what, packed[0])
        digest = hashlib.blake2b(packed[0], digest_size=12).digest()
        return Value(name_on_worker(module), name, named.line, digest, packed[0])


@contextmanager
def _as_loaded(spec: FunctionSpec) -> Iterator[None]:
    """Turn away a file of which nobody knows what was loaded."""
    try:
        yield
    except ChangedSinceError as error:
        raise changed(spec, error.file) from None


@dataclass(frozen=True)
class Constructor:
    """The pickled arguments of a remote class, what they refer to, and what they are known by."""

    data: bytes
    references: References
    digest: bytes


@dataclass(frozen=True)
class Packed:
    """The pickled arguments of a call, what they refer to, and those of a method's instance."""

    data: bytes
    references: References
    init: Constructor | None = None
