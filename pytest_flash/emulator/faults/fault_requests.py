"""The request bodies of the control plane."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, TypeAdapter
from typing_extensions import NotRequired, TypedDict

from ...wire.strict import strict
from ..account.request_bodies import parse
from .fault_types import Effect

_LONGEST = 30 * 86_400


@strict
class FaultRequest(TypedDict):
    """A fault to put in force. ``endpoint`` is an id or a name."""

    effect: Annotated[Effect, Field(discriminator="kind")]
    scope: NotRequired[Annotated[str, Field(min_length=1)] | None]
    endpoint: NotRequired[str | None]
    count: NotRequired[Annotated[int, Field(ge=1)] | None]


@strict
class AdvanceRequest(TypedDict):
    """Time that is to pass at once."""

    seconds: Annotated[float, Field(ge=0, le=_LONGEST)]


_FAULT = TypeAdapter(FaultRequest)
_ADVANCE = TypeAdapter(AdvanceRequest)


def parse_fault(body: bytes) -> FaultRequest:
    """Read a fault; raises HttpError 400 (no JSON) or 422 (no fault)."""
    return parse(_FAULT, body)


def parse_advance(body: bytes) -> float:
    """Read how many seconds are to pass; raises HttpError 400 (no JSON) or 422 (no such time)."""
    return parse(_ADVANCE, body)["seconds"]
