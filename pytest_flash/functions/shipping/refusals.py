"""What cannot travel, found before anything is sent."""

from __future__ import annotations

import contextvars
import inspect
import io
import threading
import types
import typing
import weakref
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from ...errors import CannotTravelError, UndeclaredModuleError
from ...security.api_key import SHORTEST
from ..declaration.specs import FunctionSpec
from .declared_packages import Declared
from .file_slices import FileSlice, SlicedFile
from .pickling import Packer, pack
from .project_modules import ProjectModules
from .synthetic_frames import at
from .unsendable_values import UnsendableError, a, clause

# Objects that pickle so much without complaint are taken to go on like that.
_LOOKED_AT = 1_000_000
_LARGEST_CHARACTER = 4  # Bytes, in UTF-8.
# Empty where they are made, so making them again is what the code means.
_MADE_ANEW = (
    *(typing.TypeVar, typing.ParamSpec, contextvars.ContextVar, threading.local),
    *(types.ModuleType, types.GenericAlias, weakref.WeakKeyDictionary),
    *(weakref.WeakValueDictionary, weakref.WeakSet),
)


class Refusals:
    """Raises CannotTravelError, with the name of the thing, its line, and the way out."""

    def __init__(self, project: ProjectModules, secrets: Collection[str]) -> None:
        self._project = project
        self._secrets = [s.encode() for s in secrets if len(s) >= SHORTEST]

    def check(
        self, spec: FunctionSpec, taken: FileSlice, file: SlicedFile, declared: Declared
    ) -> None:
        """Refuse what a slice needs and a worker cannot have."""
        self._check_unbound(spec, taken)
        self._check_imports(spec, taken, declared)
        for statement in taken.statements:
            if statement.defines:
                continue
            for name in sorted(statement.bound & file.namespace.keys()):
                self._check_object(spec, taken, name, file)

    @contextmanager
    def of_arguments(
        self, spec: FunctionSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Iterator[None]:
        """Turn an error of pickling into one that names the argument."""
        try:
            yield
        except Exception as error:
            parts = _parts(spec, args, kwargs)
            found = (f"{what}, {a(v)}," for what, v in parts if self._is_unsendable(v))
            what = next(found, "something")
            way_out = ". Pass plain data, or what is needed to make it there"
            refused = CannotTravelError(
                f"{spec.location}: {what} of {spec.name} cannot be sent to a worker: "
                f"{error if isinstance(error, UnsendableError) else clause(error) + way_out}"
            )
            raise at(refused, spec.file, spec.line, spec.name) from error

    def secrets_in_arguments(
        self, spec: FunctionSpec, data: bytes, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        """Refuse arguments, pickled in ``data``, that hold the Runpod key."""
        if self._holds_secret(data):
            parts = _parts(spec, args, kwargs)
            found = (what for what, v in parts if self._holds_secret(pack(v, self._project)[0]))
            self.secrets_in(spec, f"{next(found, 'something')} of {spec.name}", data)

    def secrets_in(self, spec: FunctionSpec, what: str, data: bytes) -> None:
        """Refuse data that holds the Runpod key."""
        if self._holds_secret(data):
            refused = CannotTravelError(
                f"{spec.location}: {what} contains the Runpod API key, which stays on this "
                "machine; if a worker needs a key, pass one made for it"
            )
            raise at(refused, spec.file, spec.line, spec.name)

    def size(self, spec: FunctionSpec, texts: Mapping[str, str], limit: int) -> None:
        """Refuse more source than a call may carry."""
        if sum(map(len, texts.values())) * _LARGEST_CHARACTER <= limit:
            return
        sizes = {name: len(text.encode("utf-8", "surrogatepass")) for name, text in texts.items()}
        total = sum(sizes.values())
        if total > limit:
            largest = sorted(sizes, key=lambda name: -sizes[name])[:3]
            named = ", ".join(f"{name} ({sizes[name] / 2**20:.1f} MiB)" for name in largest)
            raise CannotTravelError(
                f"{spec.location}: {spec.name} needs {total / 2**20:.1f} MiB of source from this "
                f"project, and {limit / 2**20:.0f} MiB may travel. The largest modules are "
                f"{named}; keep data in files or on a network volume"
            )

    def _check_unbound(self, spec: FunctionSpec, taken: FileSlice) -> None:
        if taken.unbound:
            raise CannotTravelError(
                f"{spec.location}: {spec.name} needs {', '.join(sorted(taken.unbound))}, which no "
                f"statement of {taken.source.file} defines at its top level outside of functions; "
                "define it there, or pass it as an argument"
            )

    def _check_imports(self, spec: FunctionSpec, taken: FileSlice, declared: Declared) -> None:
        for each in taken.imports:
            if each.guarded or self._project.find(each.module.partition(".")[0]):
                continue
            requirement = declared.requirement_for(each.module)
            if requirement is not None:
                refused = UndeclaredModuleError(
                    f"{taken.source.file}:{each.line}: {spec.name} imports {each.module}, and the "
                    f"worker has only what is declared: add dependencies=[{requirement!r}] to "
                    f"{spec.declared_by} of {spec.name} ({spec.location}), or import it in a try "
                    "statement"
                )
                raise at(refused, taken.source.file, each.line, spec.name)

    def _check_object(
        self, spec: FunctionSpec, taken: FileSlice, name: str, file: SlicedFile
    ) -> None:
        value = file.namespace[name]
        reason = self._reason(value)
        if reason is not None:
            kind, line = type(value), file.line_of(name)
            refused = CannotTravelError(
                f"{taken.source.file}:{line}: {spec.name} ({spec.location}) uses "
                f"{name}, a {kind.__module__}.{kind.__qualname__}, which cannot travel to a "
                f"worker: {clause(reason)}. Make it inside {spec.name}, or in a function with "
                "functools.cache that it calls"
            )
            raise at(refused, taken.source.file, line, spec.name)

    def _reason(self, value: Any) -> str | None:
        if isinstance(value, _MADE_ANEW) or type(value).__module__.startswith("pytest_flash."):
            return None
        packer = Packer(_Limited(), self._project)
        try:
            packer.dump(value)
        except _Enough:
            return None
        except Exception as error:  # noqa: BLE001 - the value's own code may raise anything
            return str(error) or type(error).__name__
        return None

    def _holds_secret(self, data: bytes) -> bool:
        return any(secret in data for secret in self._secrets)

    def _is_unsendable(self, value: Any) -> bool:
        try:
            pack(value, self._project)
        except Exception:  # noqa: BLE001 - the value's own code may raise anything
            return True
        return False


def _parts(
    spec: FunctionSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    """What goes with a call, each with what it is called."""
    names = _parameters(spec)
    given = [(names[i] if i < len(names) else str(i + 1), v) for i, v in enumerate(args)]
    for name, value in (*given, *kwargs.items()):
        yield f"argument {name!r}", value
    function = inspect.unwrap(spec.function)
    cells = getattr(function, "__closure__", None) or ()
    for name, cell in zip(function.__code__.co_freevars if cells else (), cells, strict=True):
        with suppress(ValueError):  # Nothing is bound to it yet.
            yield f"the local variable {name!r}", cell.cell_contents


def _parameters(spec: FunctionSpec) -> list[str]:
    try:
        names = list(inspect.signature(spec.function).parameters)
    except (TypeError, ValueError):
        return []
    if spec.owner is None or spec.method is None:
        return names
    static = isinstance(inspect.getattr_static(spec.owner, spec.method), staticmethod)
    return names if static else names[1:]


class _Enough(BaseException):
    pass


class _Limited(io.BytesIO):
    def write(self, data: Any) -> int:
        if self.tell() + len(data) > _LOOKED_AT:
            raise _Enough
        return super().write(data)
