"""The bytes of ``resources.pkl``: a pickle that holds plain values and can do nothing.

Pickle is a program for a small machine. Of its instructions only those are let through that
build dicts, lists, tuples, strings, numbers, booleans and None; what the bytes say is looked
at before any of it is carried out.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, NoReturn

from pydantic import ConfigDict, TypeAdapter, ValidationError

from .records import Record, Scope, Volume

# Beyond any honest file: a record takes about 2 kB and 150 values.
SIZE_LIMIT = 16 * 1024 * 1024
_VALUES_LIMIT = 1_000_000
_DEPTH_LIMIT = 40

_FORMAT = "pytest-flash state"
# 2: sessions have a place and a lock.
_VERSION = 2
_OLDEST = 1
# This protocol writes plain values with the instructions below and no other.
_PROTOCOL = 4

# Instruction -> bytes of its argument.
_FIXED = {
    pickle.PROTO: 1,
    pickle.FRAME: 8,
    pickle.STOP: 0,
    pickle.MARK: 0,
    pickle.MEMOIZE: 0,
    pickle.BINGET: 1,
    pickle.LONG_BINGET: 4,
    pickle.NONE: 0,
    pickle.NEWTRUE: 0,
    pickle.NEWFALSE: 0,
    pickle.BININT: 4,
    pickle.BININT1: 1,
    pickle.BININT2: 2,
    pickle.BINFLOAT: 8,
    pickle.EMPTY_DICT: 0,
    pickle.SETITEM: 0,
    pickle.SETITEMS: 0,
    pickle.EMPTY_LIST: 0,
    pickle.APPEND: 0,
    pickle.APPENDS: 0,
    pickle.EMPTY_TUPLE: 0,
    pickle.TUPLE: 0,
    pickle.TUPLE1: 0,
    pickle.TUPLE2: 0,
    pickle.TUPLE3: 0,
}
# Instruction -> bytes of the length that heads its argument.
_PREFIXED = {pickle.SHORT_BINUNICODE: 1, pickle.BINUNICODE: 4, pickle.LONG1: 1}

# What carrying out allowed instructions in a senseless order can raise.
_SENSELESS = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    OverflowError,
)


class DamagedError(ValueError):
    """These bytes are not a state file of ours, or no longer one."""


class NewerError(ValueError):
    """These bytes were written by a newer version of pytest-flash."""


@dataclass(frozen=True)
class RecordEntry:
    """A record and whose it is."""

    scope: Scope
    record: Record


@dataclass(frozen=True)
class VolumeEntry:
    """A volume and whose it is."""

    scope: Scope
    volume: Volume


@dataclass(frozen=True)
class Document:
    """All that the file says. ``salt`` is hex and goes into every digest of the file."""

    # Holds for everything within, too.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    salt: str
    records: tuple[RecordEntry, ...] = ()
    volumes: tuple[VolumeEntry, ...] = ()
    format: str = field(default=_FORMAT)
    version: int = field(default=_VERSION)

    def __post_init__(self) -> None:
        bytes.fromhex(self.salt)
        _require_unique((each.scope, each.record.resource) for each in self.records)
        _require_unique(
            (each.scope, each.volume.name, each.volume.data_center) for each in self.volumes
        )


_DOCUMENT = TypeAdapter(Document)


def encode(document: Document) -> bytes:
    """``document`` as bytes that ``decode`` takes. Raises DamagedError when it would not."""
    data = pickle.dumps(asdict(document), protocol=_PROTOCOL)
    decode(data)
    return data


def decode(data: bytes) -> Document:
    """What ``data`` says.

    Raises DamagedError for anything that ``encode`` did not write, and NewerError for what that
    of a newer version did.
    """
    value = _load_plain(data)
    if not isinstance(value, Mapping) or value.get("format") != _FORMAT:
        raise DamagedError("it was not written by pytest-flash")
    version = value.get("version")
    if isinstance(version, int) and version > _VERSION:
        raise NewerError(f"format {version}; this version knows {_VERSION}")
    if type(version) is not int or version < _OLDEST:
        raise DamagedError(f"its format {version!r} is unknown")
    try:
        # What is new since then has a default that stands for not being known.
        return replace(_DOCUMENT.validate_python(value), version=_VERSION)
    except ValidationError as error:
        # Without the input: what a foreign file holds may be secret.
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DamagedError(f"{where or 'it'}: {first['msg']}") from None


def _load_plain(data: bytes) -> object:
    if len(data) > SIZE_LIMIT:
        raise DamagedError(f"it is larger than {SIZE_LIMIT >> 20} MiB")
    _refuse_all_but_plain(data)
    try:
        value = _PlainUnpickler(io.BytesIO(data)).load()
    except _SENSELESS as error:
        raise DamagedError(f"its pickle is broken: {error}") from error
    _require_plain(value)
    return value


def _refuse_all_but_plain(data: bytes) -> None:
    at, instruction = 0, b""
    while instruction != pickle.STOP:
        instruction = data[at : at + 1]
        if not instruction:
            raise DamagedError("it ends too early")
        at += 1
        if instruction in _FIXED:
            at += _FIXED[instruction]
        elif instruction in _PREFIXED:
            width = _PREFIXED[instruction]
            at += width + int.from_bytes(data[at : at + width], "little")
        else:
            raise DamagedError(
                f"it holds more than plain values (pickle instruction {instruction!r} at byte "
                f"{at - 1})"
            )
    if at != len(data):
        raise DamagedError("it goes on after its end")


class _PlainUnpickler(pickle.Unpickler):
    """The second fence, should an instruction that can call anything ever pass the first."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"{module}.{name} is not a plain value")

    def persistent_load(self, pid: object) -> NoReturn:
        raise pickle.UnpicklingError(f"reference {pid!r} is not a plain value")


def _require_plain(value: object) -> None:
    """Bound what a few bytes can unfold to: an instruction may repeat or contain a value."""
    seen = 0
    waiting: list[tuple[object, int]] = [(value, 0)]
    while waiting:
        each, depth = waiting.pop()
        inside = list(_inside(each))
        seen += 1 + len(inside)
        if depth > _DEPTH_LIMIT or seen > _VALUES_LIMIT:
            raise DamagedError("it holds too many values, or one within itself")
        waiting.extend((item, depth + 1) for item in inside)


def _inside(value: Any) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value.keys()
        yield from value.values()
    elif isinstance(value, (list, tuple)):
        yield from value


def _require_unique(keys: Iterable[object]) -> None:
    known = list(keys)
    if len(known) != len(set(known)):
        raise ValueError("one endpoint or volume is recorded twice")
