"""Requests to create and to update endpoints, by the REST v2 schema.

What the schema itself forbids is refused here (422), between fields too; rules that Runpod states
in words, and rules between a request and the endpoint it changes, are in ``endpoint_records``
(400).
"""

from __future__ import annotations

from pydantic import TypeAdapter

from ...wire.requests import CreateEndpoint, CreateGpu, UpdateEndpoint, UpdateGpu
from .request_bodies import parse, refused

_CREATE = TypeAdapter(CreateEndpoint)
_UPDATE = TypeAdapter(UpdateEndpoint)


def parse_create(body: bytes) -> CreateEndpoint:
    """Read a create request; raises HttpError 400 (no JSON) or 422 (against the schema)."""
    sent = parse(_CREATE, body)
    _check_exclusions(sent.get("gpu"))
    if "templateId" not in sent and "image" not in sent:
        raise refused("$: image is required unless templateId is given")
    if sent["type"] == "LOAD_BALANCER" and sent["scaling"]["type"] != "REQUEST_COUNT":
        raise refused("$: scaling.type of a LOAD_BALANCER endpoint must be REQUEST_COUNT")
    return sent


def parse_update(body: bytes) -> UpdateEndpoint:
    """Read a patch; raises HttpError 400 (no JSON) or 422 (against the schema)."""
    sent = parse(_UPDATE, body)
    _check_exclusions(sent.get("gpu"))
    return sent


def _check_exclusions(gpu: CreateGpu | UpdateGpu | None) -> None:
    if gpu is not None and "excludedTypes" in gpu and "pools" not in gpu:
        raise refused("$.gpu: excludedTypes requires pools: the two are one selection")
