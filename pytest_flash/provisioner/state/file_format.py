"""The bytes of ``resources.pkl``: a pickle that holds plain values and can do nothing."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from ...security import plain_pickle
from .records import CreatedEndpoint, Scope, VolumeRecord

# Beyond any honest file: a record takes about 2 kB and 150 values.
SIZE_LIMIT = 16 * 1024 * 1024
_VALUES_LIMIT = 1_000_000
_DEPTH_LIMIT = 40

_FORMAT = "pytest-flash state"
# 2: sessions have a place and a lock.
_VERSION = 2
_OLDEST = 1
# This protocol writes plain values with the instructions that ``plain_pickle`` reads, and no other.
_PROTOCOL = 4


class DamagedError(ValueError):
    """These bytes are not a state file of ours, or no longer one."""


class NewerError(ValueError):
    """These bytes were written by a newer version of pytest-flash."""


@dataclass(frozen=True)
class RecordEntry:
    """A record and whose it is."""

    scope: Scope
    record: CreatedEndpoint


@dataclass(frozen=True)
class VolumeEntry:
    """A volume and whose it is."""

    scope: Scope
    volume: VolumeRecord


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
    try:
        value = plain_pickle.loads(data)
    except plain_pickle.NotPlainError as error:
        raise DamagedError(f"it {error}") from error
    _require_plain(value)
    return value


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
