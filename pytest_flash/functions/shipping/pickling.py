"""Pickling what goes to a worker, and reading what comes back."""

from __future__ import annotations

import ast
import contextlib
import copyreg
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import hashlib
import importlib
import inspect
import io
import marshal
import pathlib
import re
import sys
import types
import uuid
from typing import Any, NewType

import cloudpickle

from .. import onworker
from ..declaration.specs import BOUND_METHOD, INSTANCE
from ..onworker import pickles, placeholders, source_edits
from ..onworker.parsing import parse
from .loaded_source import ChangedSinceError
from .project_modules import ProjectModules, name_on_worker
from .references import (
    HomeModule,
    Reference,
    References,
    SourceLines,
    TopLevelName,
    WholeModule,
)
from .statement_names import used_by
from .unsendable_values import refuse

_PROTOCOL = 5
# This package is not on workers: a function of it, which must need nothing else of it, is carried.
_OURS = "pytest_flash."
_DATA = (
    *(datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo, decimal.Decimal),
    *(fractions.Fraction, uuid.UUID, pathlib.PurePath, re.Pattern, range, slice, complex),
    *(bytearray, types.EllipsisType, types.NotImplementedType),
)
_CONTAINERS = {"deque", "OrderedDict", "Counter", "defaultdict"}


class Packer(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles for a worker that has the project's modules under their names.

    ``references`` collects what the pickle expects there. A function that no name leads to, such
    as a closure or a lambda, travels by its code and lives in its own module there.
    """

    def __init__(self, file: io.BytesIO, project: ProjectModules) -> None:
        super().__init__(file, protocol=_PROTOCOL)
        self.references: set[Reference] = set()
        self._project = project

    def reducer_override(self, obj: Any) -> Any:
        """As pickle asks for every object that is not of a basic type."""
        refuse(obj)
        if isinstance(obj, types.ModuleType) and self._project.find(obj.__name__) is not None:
            self.references.add(WholeModule(obj.__name__))
        stand_in = getattr(type(obj), "__flash_stand_in__", False)
        if not (stand_in or isinstance(obj, type | types.FunctionType | NewType)):
            return super().reducer_override(obj)
        made = pickles.subscription(obj) if isinstance(obj, type) else None
        if made is not None:
            return made
        if stand_in == INSTANCE:
            kind, args, kwargs = obj.__flash_behind__
            return placeholders.instance, (
                kind,
                digest((args, kwargs), self._project),
                args,
                kwargs,
            )
        if isinstance(obj, types.FunctionType) and BOUND_METHOD in vars(obj):
            return getattr, vars(obj)[BOUND_METHOD]
        module, path = getattr(obj, "__module__", None), getattr(obj, "__qualname__", "")
        if module and self._project.find(module) is not None:
            if _leads_to(module, path, obj):
                self.references.add(TopLevelName(module, path.partition(".")[0]))
                return pickles.named, (name_on_worker(module), path)
            if isinstance(obj, types.FunctionType) and _is_home(module, obj):
                return self._by_code(module, obj)
            name = self._assigned_name(module, obj)
            if name is not None:
                self.references.add(TopLevelName(module, name))
                return pickles.named, (name_on_worker(module), name)
        if isinstance(obj, NewType) and not pickles.has_its_name(obj):
            return pickles.by_value(obj)
        if isinstance(obj, types.FunctionType) and _is_ours(str(module)):
            return self._by_code("", obj)
        if stand_in:
            return placeholders.stand_in, (obj.__flash_behind__,)
        return super().reducer_override(_by_its_own_name(obj))

    def _assigned_name(self, module: str, obj: Any) -> str | None:
        """The name that a statement of ``module`` gives to a class, where it is not its own."""
        source = self._project.find(module)
        if not isinstance(obj, type | NewType) or source is None:
            return None
        for name in pickles.names_of(obj):
            with contextlib.suppress(ChangedSinceError, SyntaxError):
                if any(name in _targets(each) for each in source.tree.body):
                    return name
        return None

    def _by_code(self, module: str, function: types.FunctionType) -> Any:
        code = self._code_of(module, function)
        if module:
            used = used_by(code) & function.__globals__.keys()
            self.references.update(TopLevelName(module, name) for name in used)
            self.references |= {HomeModule(module), SourceLines(module, *_lines_of(code))}
        names = ("__name__", "__qualname__", "__defaults__", "__kwdefaults__", "__doc__")
        attributes = {name: getattr(function, name) for name in names}
        attributes["__module__"] = name_on_worker(module)
        attributes |= {k: v for k, v in vars(function).items() if k != "__wrapped__"}
        cells = [_content(cell) for cell in function.__closure__ or ()]
        arguments = (marshal.dumps(code), name_on_worker(module), len(cells))
        state = attributes, cells
        return pickles.make_function, arguments, state, None, None, pickles.fill_function

    def _code_of(self, module: str, function: types.FunctionType) -> types.CodeType:
        source = self._project.find(module) if module else None
        try:
            return _plain_code(function.__code__, source.text if source is not None else "")
        except ChangedSinceError:
            return function.__code__


# What a compiled pattern is pickled by.
_COMPILE = copyreg.dispatch_table[re.Pattern](re.compile(""))[0]


_MAKERS = (getattr, _COMPILE, pickles.named, importlib.import_module)


class _NotDataError(Exception):
    pass


class DataPacker(Packer):
    """Pickles plain data, enums and dataclasses, and raises for anything else.

    So are modules that were loaded by their path, and what these define: the statement that loads
    them would find no file on the worker, which has them by their names.
    """

    def reducer_override(self, obj: Any) -> Any:
        """As pickle asks for every object that is not of a basic type."""
        kind = type(obj)
        if issubclass(kind, types.ModuleType | types.FunctionType | type):
            home = obj.__name__ if issubclass(kind, types.ModuleType) else obj.__module__
            if self._project.is_found_by_path(home):
                if not issubclass(kind, types.ModuleType):
                    return super().reducer_override(obj)
                self.references.add(WholeModule(home))
                return importlib.import_module, (home,)
        if isinstance(obj, type):
            if self._is_on_workers(obj.__module__) and _is_of_data(obj):
                return super().reducer_override(obj)
        elif isinstance(obj, enum.Enum):
            if obj.name in kind.__members__:
                return getattr, (kind, obj.name)
            return kind, (obj.value,)
        elif (
            (dataclasses.is_dataclass(obj) and _has_plain_state(kind))
            or isinstance(obj, _DATA)
            or (isinstance(obj, tuple) and hasattr(kind, "_fields"))
            or (kind.__module__ == "collections" and kind.__name__ in _CONTAINERS)
        ) or any(obj is each for each in _MAKERS):
            return NotImplemented
        raise _NotDataError

    def _is_on_workers(self, module: str) -> bool:
        top = module.partition(".")[0]
        return top in sys.stdlib_module_names or self._project.find(module) is not None


def pack(value: Any, project: ProjectModules) -> tuple[bytes, References]:
    """``value`` pickled, and what of the project the pickle refers to.

    Raises whatever pickling raises: the value's own code may run.
    """
    file = io.BytesIO()
    packer = Packer(file, project)
    packer.dump(value)
    return file.getvalue(), frozenset(packer.references)


def digest(value: Any, project: ProjectModules) -> bytes:
    """The same for values that are equal, as far as their pickles tell: whether it is one object
    or two equal ones that stand in two places makes no difference.

    Raises whatever pickling raises.
    """
    file = io.BytesIO()
    packer = Packer(file, project)
    packer.fast = True  # No object is referred to a second time.
    try:
        packer.dump(value)
        data = file.getvalue()
    except (ValueError, RecursionError):  # It contains itself.
        data, _ = pack(value, project)
    return hashlib.sha256(data).digest()


def pack_data(
    value: Any, project: ProjectModules
) -> tuple[bytes, frozenset[TopLevelName | WholeModule]] | None:
    """As ``pack``, for what ``DataPacker`` pickles, which refers to names and modules only; None
    for all else."""
    file = io.BytesIO()
    packer = DataPacker(file, project)
    try:
        packer.dump(value)
    except Exception:  # noqa: BLE001 - what cannot be pickled, in whatever way, is no plain data
        return None
    named = (each for each in packer.references if isinstance(each, TopLevelName | WholeModule))
    return file.getvalue(), frozenset(named)


def _lines_of(code: types.CodeType) -> tuple[int, int]:
    """First and last line of ``code``."""
    lines = [line for each in _functions(code) for _, _, line in each.co_lines() if line]
    return code.co_firstlineno, max(lines, default=code.co_firstlineno)


@functools.lru_cache(maxsize=256)
def _plain_code(code: types.CodeType, text: str) -> types.CodeType:
    """``code`` as the ``text`` of its file has it: pytest rewrites the asserts of tests."""
    try:
        compiled = compile(parse(text), code.co_filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return code
    same = [each for each in _functions(compiled) if _is_same(each, code)]
    return same[0] if len(same) == 1 else code


def _by_its_own_name(obj: Any) -> Any:
    """A synchronous remote function that no file holds, calling itself rather than awaiting it."""
    name = getattr(obj, "__name__", "")
    space = obj.__globals__ if isinstance(obj, types.FunctionType) else {}
    behind = getattr(space.get(name), "__flash_behind__", None)
    if behind is None or behind is not obj or inspect.iscoroutinefunction(obj):
        return obj
    renamed = source_edits.itself(name)
    made = types.FunctionType(
        _renamed(obj.__code__, name, renamed),
        {**space, renamed: obj},
        name,
        obj.__defaults__,
        obj.__closure__,
    )
    made.__kwdefaults__ = obj.__kwdefaults__
    return functools.update_wrapper(made, obj, updated=("__dict__",))


def _renamed(code: types.CodeType, old: str, new: str) -> types.CodeType:
    inner = (
        _renamed(each, old, new) if isinstance(each, types.CodeType) else each
        for each in code.co_consts
    )
    names = tuple(new if each == old else each for each in code.co_names)
    return code.replace(co_consts=tuple(inner), co_names=names)


def _functions(code: types.CodeType) -> list[types.CodeType]:
    inner = [each for each in code.co_consts if isinstance(each, types.CodeType)]
    return [code, *(found for each in inner for found in _functions(each))]


def _is_same(one: types.CodeType, other: types.CodeType) -> bool:
    return all(
        getattr(one, name) == getattr(other, name)
        for name in ("co_name", "co_firstlineno", "co_freevars", "co_argcount")
    )


def _targets(statement: ast.stmt) -> set[str]:
    if not isinstance(statement, ast.Assign):
        return set()
    return {each.id for each in statement.targets if isinstance(each, ast.Name)}


def _leads_to(module: str, path: str, wanted: Any) -> bool:
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    return found is wanted or getattr(found, "__flash_behind__", None) is wanted


def _is_ours(module: str) -> bool:
    return module.startswith(_OURS) and not module.startswith(onworker.__name__)


def _is_home(module: str, function: types.FunctionType) -> bool:
    return vars(sys.modules.get(module, types)) is function.__globals__


def _content(cell: types.CellType) -> tuple[Any, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:
        return ()  # A name that the enclosing function has not bound yet.


def _is_of_data(kind: type) -> bool:
    """Whether instances of ``kind`` may be data."""
    return (
        issubclass(kind, (enum.Enum, tuple, *_DATA))
        or dataclasses.is_dataclass(kind)
        or kind.__module__ in ("builtins", "collections")
    )


def _has_plain_state(kind: type) -> bool:
    """Whether instances hold their fields and nothing else of their own making."""
    return all("__reduce__" not in vars(each) for each in kind.__mro__[:-1])
