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
from contextlib import contextmanager
from typing import Any

from ..errors import CannotTravelError, UndeclaredModuleError
from .declared import Declared
from .packing import Packer, pack
from .projectmodules import ProjectModules
from .rebuilt import at
from .registry import FunctionSpec
from .slicing import Slice, SlicedFile
from .unsendable import UnsendableError, a

# Keys are longer; a shorter "secret" would be found everywhere.
_SHORTEST_SECRET = 8
# Objects that pickle so much without complaint are taken to go on like that.
_LOOKED_AT = 1_000_000
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
        self._secrets = [s.encode() for s in secrets if len(s) >= _SHORTEST_SECRET]

    def check(self, spec: FunctionSpec, taken: Slice, file: SlicedFile, declared: Declared) -> None:
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
            what = self._culprit(spec, args, kwargs) or _free_variable(spec, self._project)
            way_out = ". Pass plain data, or what is needed to make it there"
            refused = CannotTravelError(
                f"{spec.location}: {what} of {spec.name} cannot be sent to a worker: "
                f"{error}{'' if isinstance(error, UnsendableError) else way_out}"
            )
            raise at(refused, spec.file, spec.line, spec.name) from error

    def secrets_in(self, spec: FunctionSpec, what: str, *data: bytes) -> None:
        """Refuse data that holds the Runpod key."""
        for secret in self._secrets:
            if any(secret in each for each in data):
                refused = CannotTravelError(
                    f"{spec.location}: {what} of {spec.name} contains the Runpod API key, which "
                    "stays on this machine; if a worker needs a key, pass one made for it"
                )
                raise at(refused, spec.file, spec.line, spec.name)

    def size(self, spec: FunctionSpec, texts: Mapping[str, str], limit: int) -> None:
        """Refuse more source than a call may carry."""
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

    def _check_unbound(self, spec: FunctionSpec, taken: Slice) -> None:
        if taken.unbound:
            raise CannotTravelError(
                f"{spec.location}: {spec.name} needs {', '.join(sorted(taken.unbound))}, which no "
                f"statement of {taken.source.file} defines at its top level outside of functions; "
                "define it there, or pass it as an argument"
            )

    def _check_imports(self, spec: FunctionSpec, taken: Slice, declared: Declared) -> None:
        for each in taken.imports():
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

    def _check_object(self, spec: FunctionSpec, taken: Slice, name: str, file: SlicedFile) -> None:
        value = file.namespace[name]
        reason = self._reason(value)
        if reason is not None:
            kind, line = type(value), file.line_of(name)
            refused = CannotTravelError(
                f"{taken.source.file}:{line}: {spec.name} ({spec.location}) uses "
                f"{name}, a {kind.__module__}.{kind.__qualname__}, which cannot travel to a "
                f"worker: {reason}. Make it inside {spec.name}, or in a function with "
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

    def _culprit(
        self, spec: FunctionSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> str | None:
        try:
            names = list(inspect.signature(spec.function).parameters)
        except (TypeError, ValueError):
            names = []
        given = [(names[i] if i < len(names) else str(i + 1), v) for i, v in enumerate(args)]
        for name, value in (*given, *kwargs.items()):
            try:
                pack(value, self._project)
            except Exception:  # noqa: BLE001 - as above
                return f"argument {name!r}, {a(value)},"
        return None


def _free_variable(spec: FunctionSpec, project: ProjectModules) -> str:
    function = inspect.unwrap(spec.function)
    code = getattr(function, "__code__", None)
    cells = getattr(function, "__closure__", None) or ()
    for name, cell in zip(code.co_freevars if code else (), cells, strict=False):
        try:
            pack(cell.cell_contents, project)
        except Exception:  # noqa: BLE001 - the value's own code may raise anything
            return f"the local variable {name!r}, {a(cell.cell_contents)},"
    return "something"


class _Enough(BaseException):
    pass


class _Limited(io.BytesIO):
    def write(self, data: Any) -> int:
        if self.tell() + len(data) > _LOOKED_AT:
            raise _Enough
        return super().write(data)
