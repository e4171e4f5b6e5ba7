"""The request bodies for network volumes, as the REST v2 schema states them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from ...wire.data_centers import VolumeType
from .endpoint_requests import RequestSchema, parse

_Name = Annotated[str, Field(min_length=1)]
_Size = Annotated[int, Field(ge=10, le=4096)]


class CreateVolumeBody(RequestSchema):
    """Schema ``CreateNetworkVolumeRequest``; ``size`` in GB."""

    name: _Name
    size: _Size
    dataCenter: Annotated[str, Field(min_length=1)]
    type: VolumeType | None = None


class UpdateVolumeBody(RequestSchema):
    """Schema ``UpdateNetworkVolumeRequest``; ``size`` in GB."""

    name: _Name | None = None
    size: _Size | None = None

    @model_validator(mode="after")
    def _not_empty(self) -> UpdateVolumeBody:
        if not self.model_fields_set:
            raise ValueError("at least one of name and size must be given")
        return self


def parse_create(body: bytes) -> CreateVolumeBody:
    """Read a create request; raises HttpError 400 (no JSON) or 422 (against the schema)."""
    return parse(CreateVolumeBody, body)


def parse_update(body: bytes) -> UpdateVolumeBody:
    """Read a patch; raises HttpError 400 (no JSON) or 422 (against the schema)."""
    return parse(UpdateVolumeBody, body)
