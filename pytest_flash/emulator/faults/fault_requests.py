"""The request bodies of the control plane."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from ..account.endpoint_requests import RequestSchema, parse
from .fault_types import Effect


class FaultBody(RequestSchema):
    """A fault to put in force. ``endpoint`` is an id or a name."""

    nullable: ClassVar[frozenset[str]] = frozenset({"scope", "endpoint", "count"})

    effect: Annotated[Effect, Field(discriminator="kind")]
    scope: Annotated[str, Field(min_length=1)] | None = None
    endpoint: str | None = None
    count: Annotated[int, Field(ge=1)] | None = None


_LONGEST = 30 * 86_400


class AdvanceBody(RequestSchema):
    """Time that is to pass at once."""

    seconds: Annotated[float, Field(ge=0, le=_LONGEST, allow_inf_nan=False)]


def parse_advance(body: bytes) -> float:
    """Read how many seconds are to pass; raises HttpError 400 (no JSON) or 422 (no such time)."""
    return parse(AdvanceBody, body).seconds


def parse_fault(body: bytes) -> FaultBody:
    """Read a fault; raises HttpError 400 (no JSON) or 422 (no fault)."""
    return parse(FaultBody, body)
