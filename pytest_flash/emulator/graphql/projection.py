"""Of an object, the fields that were asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..server.http_errors import HttpError
from .document import Field


def project(value: Any, asked: Field) -> Any:
    """``value`` with the fields that ``asked`` selects. Raises HttpError 400 for one it has not.

    As in GraphQL, an object is never answered whole, and nothing is selected of a plain value.
    """
    if isinstance(value, list):
        return [project(item, asked) for item in value]
    if isinstance(value, Mapping):
        if not asked.selection:
            raise HttpError(400, f"the field {asked.name!r} needs a selection of its fields")
        return {each.name: project(_member(value, each, asked), each) for each in asked.selection}
    if asked.selection and value is not None:
        raise HttpError(400, f"the field {asked.name!r} has no fields to select")
    return value


def _member(value: Mapping[str, Any], asked: Field, parent: Field) -> Any:
    try:
        return value[asked.name]
    except KeyError:
        known: Sequence[str] = sorted(value)
        raise HttpError(
            400,
            f"the field {asked.name!r} of {parent.name!r} is not known to the emulator; known: "
            + ", ".join(known),
        ) from None
