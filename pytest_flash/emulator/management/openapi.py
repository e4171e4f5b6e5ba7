"""The OpenAPI document of the management plane, made from what is served."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from ...wire import documents, requests
from ..processes.worker_logs import SOURCES

if TYPE_CHECKING:
    from starlette.routing import Route

_PREFIX = "/api"
_REFERENCE = "#/components/schemas/{model}"
_PLACEHOLDER = re.compile(r"\{(\w+)\}")

_WHOLE = {"type": "integer", "minimum": 1}
_Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Operation:
    """What one operation takes and gives.

    ``answer`` None: nothing, or what ``media`` says. ``query`` and ``headers`` are schemas by
    name; a query's array is sent as one value with commas.
    """

    answer: type | None = None
    status: int = 200
    body: type | None = None
    query: Mapping[str, _Schema] | None = None
    headers: Mapping[str, _Schema] | None = None
    media: str = "application/json"


def _one_of(values: Iterable[str]) -> _Schema:
    return {"type": "string", "enum": list(values)}


def _list_of(items: _Schema, **limits: int) -> _Schema:
    return {"type": "array", "items": items, **limits}


_AVAILABILITY = {"include": _list_of(_one_of(["AVAILABILITY"]), maxItems=1)}
_GPU_QUERY = {
    **_AVAILABILITY,
    "product": _list_of(_one_of(["POD", "CLUSTER", "SERVERLESS"])),
    "count": _WHOLE,
    "cloud": _one_of(["SECURE", "COMMUNITY"]),
}
_CPU_QUERY = {
    **_AVAILABILITY,
    "product": _list_of(_one_of(["POD", "SERVERLESS"])),
    "vcpuCount": {"type": "integer", "minimum": 2},
}
_TIME = {"type": "string", "format": "date-time"}

_ENDPOINT = "/v2/serverless/{endpoint}"
_VOLUME = "/v2/network-volumes/{volume}"
_OPERATIONS = {
    ("GET", "/v2/serverless"): Operation(documents.Endpoints),
    ("POST", "/v2/serverless"): Operation(documents.Endpoint, 201, requests.CreateEndpoint),
    ("GET", _ENDPOINT): Operation(documents.Endpoint),
    ("PATCH", _ENDPOINT): Operation(documents.Endpoint, body=requests.UpdateEndpoint),
    ("DELETE", _ENDPOINT): Operation(status=204),
    ("GET", _ENDPOINT + "/workers"): Operation(documents.Workers),
    ("GET", _ENDPOINT + "/releases"): Operation(documents.Releases),
    ("GET", _ENDPOINT + "/workers/{worker}/logs"): Operation(
        query={
            "source": _one_of(SOURCES),
            "tail": {"type": "integer", "minimum": 0, "maximum": 5000, "default": 100},
            "since": _TIME,
        },
        headers={"Last-Event-ID": _TIME},
        media="text/event-stream",
    ),
    ("GET", "/v2/network-volumes"): Operation(documents.NetworkVolumes),
    ("POST", "/v2/network-volumes"): Operation(documents.NetworkVolume, 201, requests.CreateVolume),
    ("GET", _VOLUME): Operation(documents.NetworkVolume),
    ("PATCH", _VOLUME): Operation(documents.NetworkVolume, body=requests.UpdateVolume),
    ("DELETE", _VOLUME): Operation(status=204),
    ("GET", "/v2/catalog/gpus"): Operation(documents.GpuTypes, query=_GPU_QUERY),
    ("GET", "/v2/catalog/gpus/{id}"): Operation(documents.GpuType, query=_GPU_QUERY),
    ("GET", "/v2/catalog/cpus"): Operation(documents.CpuTypes, query=_CPU_QUERY),
    ("GET", "/v2/catalog/cpus/{id}"): Operation(documents.CpuType, query=_CPU_QUERY),
    ("GET", "/v2/catalog/datacenters"): Operation(documents.DataCenters),
    ("GET", "/v2/catalog/datacenters/{id}"): Operation(documents.DataCenter),
    ("GET", "/v2/catalog/templates"): Operation(
        documents.Templates,
        query={"source": _one_of(["official", "verified", "community"])},
    ),
}


def openapi_document(routes: Iterable[Route]) -> dict[str, Any]:
    """The document for ``routes``, those of the management plane.

    Raises KeyError for a route that nothing is known of here.
    """
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = route.path.removeprefix(_PREFIX)
        for method in sorted((route.methods or set()) - {"HEAD"}):
            operation = _OPERATIONS[method, path]
            summary = inspect.cleandoc(route.endpoint.__doc__ or "").partition("\n")[0]
            paths.setdefault(path, {})[method.lower()] = _described(path, operation, summary)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "The embedded Runpod's management plane",
            "version": "2.0.0",
            "description": "What pytest-flash's emulator serves of Runpod's REST API v2.",
        },
        "servers": [{"url": _PREFIX}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
        },
    }


def _described(path: str, operation: Operation, summary: str) -> dict[str, Any]:
    names = _PLACEHOLDER.findall(path)
    parameters = [_parameter(name, "path", {"type": "string"}) for name in names]
    parameters += [_parameter(*each) for each in _optional(operation)]
    document: dict[str, Any] = {
        "summary": summary,
        "parameters": parameters,
        "responses": _responses(operation, named=bool(names)),
    }
    if operation.body is not None:
        content = {"application/json": {"schema": _reference(operation.body)}}
        document["requestBody"] = {"required": True, "content": content}
    return document


def _optional(operation: Operation) -> Iterable[tuple[str, str, _Schema]]:
    for place, schemas in (("query", operation.query), ("header", operation.headers)):
        for name, schema in (schemas or {}).items():
            yield name, place, schema


def _parameter(name: str, place: str, schema: _Schema) -> dict[str, Any]:
    parameter = {"name": name, "in": place, "required": place == "path", "schema": dict(schema)}
    if schema["type"] == "array":
        parameter |= {"style": "form", "explode": False}
    return parameter


def _responses(operation: Operation, *, named: bool) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Success"}
    if operation.answer is not None:
        success["content"] = {operation.media: {"schema": _reference(operation.answer)}}
    elif operation.status != 204:
        success["content"] = {operation.media: {"schema": {"type": "string"}}}
    refusals = [401, 429]
    refusals += [404] if named or operation.body is requests.CreateEndpoint else []
    refusals += [400, 422] if operation.body or operation.query else []
    problem = {"application/problem+json": {"schema": _reference(documents.Problem)}}
    return {
        str(operation.status): success,
        **{
            str(status): {"description": "Refused", "content": problem}
            for status in sorted(refusals)
        },
    }


def _reference(model: type) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(model=model.__name__)}


def _schemas() -> dict[str, Any]:
    models: list[type] = [documents.Problem]
    for operation in _OPERATIONS.values():
        models += [model for model in (operation.body, operation.answer) if model is not None]
    _, document = TypeAdapter[Any].json_schemas(
        ((model, "validation", TypeAdapter(model)) for model in dict.fromkeys(models)),
        ref_template=_REFERENCE,
    )
    schemas: dict[str, Any] = document["$defs"]
    for schema in schemas.values():
        schema["additionalProperties"] = False
    return schemas
