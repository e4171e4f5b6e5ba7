"""Requests to create and to update network volumes, by the REST v2 schema."""

from __future__ import annotations

from pydantic import TypeAdapter

from ...wire.requests import CreateVolume, UpdateVolume
from .request_bodies import parse, refused

_CREATE = TypeAdapter(CreateVolume)
_UPDATE = TypeAdapter(UpdateVolume)


def parse_create(body: bytes) -> CreateVolume:
    """Read a create request; raises HttpError 400 (no JSON) or 422 (against the schema)."""
    return parse(_CREATE, body)


def parse_update(body: bytes) -> UpdateVolume:
    """Read a patch; raises HttpError 400 (no JSON) or 422 (against the schema)."""
    sent = parse(_UPDATE, body)
    if not sent:
        raise refused("$: at least one of name and size must be given")
    return sent
