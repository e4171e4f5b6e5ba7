"""What single fields of a resource accept.

Each check takes whatever the user wrote and returns the stored value, or raises ValueError with
a text that reads on from the field's name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BeforeValidator

from ..wire.choices import comma_list, some_of
from ..wire.data_centers import DataCenter
from .environment import environment, pairs

LIVE_PREFIX = "live-"
"""What the name of an endpoint of a live resource starts with, once."""

_NAME_LENGTH = 150
_NAME = re.compile(r"\w([\w .:/@+-]*[\w.:/@+-])?")
_PORT = re.compile(r"(\d{1,5})/(http|tcp|udp)")


def whole(low: int, high: int | None = None) -> BeforeValidator:
    """A whole number from ``low`` to ``high``; text and floats that spell one are taken too."""
    allowed = f"from {low} to {high}" if high is not None else f"of at least {low}"

    def check(value: object) -> int:
        number = _whole_number(value)
        if number is None or number < low or (high is not None and number > high):
            raise ValueError(f"{value!r} is not a whole number {allowed}")
        return number

    return BeforeValidator(check)


def _whole_number(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str):
        return int(value) if re.fullmatch(r"\s*[+-]?\d{1,18}\s*", value) else None
    return value if isinstance(value, int) else None


def _name(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a string")
    if len(value) > _NAME_LENGTH:
        raise ValueError(f"has {len(value)} characters; {_NAME_LENGTH} are the most")
    if not _NAME.fullmatch(value):
        raise ValueError(
            f"{value!r} is not a name: letters, digits, '_', spaces and any of '-.:/@+', "
            "beginning with a letter, a digit or '_'"
        )
    if not bare_name(value):
        raise ValueError(f"{value!r} is only a prefix; add what it is the name of")
    return value


def bare_name(name: str) -> str:
    """``name`` without the leading ``live-``, however often it stands there."""
    while name.startswith(LIVE_PREFIX):
        name = name.removeprefix(LIVE_PREFIX)
    return name


def _identifier(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"\S+", value):
        raise ValueError(f"{value!r} is not an id: a string without spaces")
    return value


def _ports(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, Sequence):
        raise ValueError(f"{value!r} is not a list of ports, such as '8888/http,22/tcp'")
    return tuple(dict.fromkeys(map(_port, value)))


def _port(value: object) -> str:
    found = _PORT.fullmatch(value) if isinstance(value, str) else None
    if found is None or not 1 <= int(found[1]) <= 65535:
        raise ValueError(f"{value!r} is not a port, such as '8888/http', '22/tcp' or '53/udp'")
    return found[0]


Name = Annotated[str, BeforeValidator(_name)]
Identifier = Annotated[str, BeforeValidator(_identifier)]
Ports = Annotated[tuple[str, ...], BeforeValidator(_ports)]
Environment = Annotated[Mapping[str, str], BeforeValidator(environment)]
TemplateEnvironment = Annotated[
    Mapping[str, str], BeforeValidator(environment), BeforeValidator(pairs)
]
DataCenters = Annotated[
    tuple[DataCenter, ...], BeforeValidator(comma_list(some_of("a data center", DataCenter)))
]
