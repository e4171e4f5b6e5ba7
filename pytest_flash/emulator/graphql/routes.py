"""``POST /api/graphql``: each root field of a request is an operation of the account's."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from ..server.http_errors import HttpError
from ..server.request_response import json_response, parse_object, read_body
from .document import Field, root_fields
from .projection import project

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from ..account.volumes import EmulatedVolumes
    from ..scheduler.endpoints import EmulatedEndpoints

PATH = "/api/graphql"
_BODY_LIMIT = 1_000_000

Operation = Callable[[Field], Any]


class GraphQl:
    """The operations that official SDKs use in a development session, by root field.

    ``account_key`` is kept out of workers' environments.
    """

    def __init__(
        self, endpoints: EmulatedEndpoints, volumes: EmulatedVolumes, account_key: str
    ) -> None:
        self._endpoints = endpoints
        self._volumes = volumes
        self._account_key = account_key
        self._operations: Mapping[str, Operation] = {
            "saveEndpoint": self._save_endpoint,
            "deleteEndpoint": self._delete_endpoint,
            "myself": self._myself,
            "podTemplate": self._template,
            "saveTemplate": self._save_template,
            "gpuTypes": _gpu_types,
            "cpuFlavors": _cpu_flavors,
        }

    def routes(self) -> list[Route]:
        """The one route."""
        return [Route(PATH, self.answer, methods=["POST"])]

    async def answer(self, request: Request) -> Response:
        """One request. What is wrong with it is answered with 200 and ``errors``."""
        try:
            sent = parse_object(await read_body(request, _BODY_LIMIT))
            query, variables = sent.get("query"), sent.get("variables") or {}
            if not isinstance(query, str) or not isinstance(variables, dict):
                raise HttpError(400, "query must be a string, and variables an object")
            fields = root_fields(query, variables)
            for asked in fields:
                self._require_known(asked)
            data = {asked.name: self._operations[asked.name](asked) for asked in fields}
        except HttpError as error:
            return json_response(errors_body(error))
        return json_response({"data": data})

    def _require_known(self, asked: Field) -> None:
        if asked.name not in self._operations:
            known = ", ".join(self._operations)
            raise HttpError(
                400, f"the emulator has no GraphQL operation {asked.name!r}; it has: {known}"
            )

    def _save_endpoint(self, asked: Field) -> Any:
        from ..account.endpoint_records import Cpu, created, patched
        from ..account.endpoint_requests import parse_create, parse_update
        from . import endpoint_input
        from .endpoint_objects import endpoint_object

        sent = _input(asked)
        if sent.get("id"):
            record = self._endpoints.get(endpoint_input.text(sent, "id")).record
            body = endpoint_input.update_body(sent, record.type, self._account_key)
            update = parse_update(json.dumps(body).encode())
            changed, named = patched(record, update), update.get("networkVolumes")
        else:
            body = endpoint_input.create_body(sent, self._account_key)
            create = parse_create(json.dumps(body).encode())
            changed, named = created(create), create.get("networkVolumes")
        cpus = endpoint_input.vcpus(sent)
        if cpus:
            changed = replace(changed, cpu=tuple(Cpu(*each) for each in cpus))
        self._volumes.require(named or ())
        answer = project(endpoint_object(changed), asked)
        if sent.get("id"):
            self._endpoints.update(changed)
        else:
            self._endpoints.add(changed)
        return answer

    def _delete_endpoint(self, asked: Field) -> None:
        self._endpoints.remove(str(asked.arguments.get("id")))

    def _myself(self, asked: Field) -> Any:
        from .endpoint_objects import endpoint_object

        records = {each.record.id: each.record for each in self._endpoints.all()}
        one = next((each for each in asked.selection if each.name == "endpoint"), None)
        named = records.get(str(one.arguments.get("id"))) if one is not None else None
        myself = {
            "endpoints": [endpoint_object(each) for each in records.values()],
            "endpoint": None if named is None else endpoint_object(named),
            "secrets": [],
        }
        return project(myself, asked)

    def _template(self, asked: Field) -> Any:
        from .endpoint_objects import template_object

        record = self._endpoint_with(asked.arguments.get("id")).record
        return project(template_object(record), asked)

    def _save_template(self, asked: Field) -> Any:
        from ..account.endpoint_records import patched
        from ..account.endpoint_requests import parse_update
        from .endpoint_input import container
        from .endpoint_objects import template_object

        sent = _input(asked)
        record = self._endpoint_with(sent.get("id")).record
        body = container(sent, self._account_key)
        changed = patched(record, parse_update(json.dumps(body).encode()))
        answer = project(template_object(changed), asked)
        self._endpoints.update(changed)
        return answer

    def _endpoint_with(self, template: object) -> Any:
        from .endpoint_objects import endpoint_of_template, template_id

        endpoint_id = endpoint_of_template(str(template))
        if template != template_id(endpoint_id):
            raise HttpError(404, f"template {template!r} not found")
        return self._endpoints.get(endpoint_id)


def errors_body(error: HttpError) -> dict[str, Any]:
    """How GraphQL says what went wrong."""
    details = "; ".join((error.detail, *error.errors))
    return {"errors": [{"message": details}], "data": None}


def errors_response(error: HttpError) -> Response:
    """A request that is refused before it is read, such as one without a key."""
    return json_response(errors_body(error), error.status)


# Every type and flavor of hardware is there in any number.
def _gpu_types(asked: Field) -> Any:
    return project([{"lowestPrice": {"stockStatus": "High"}}], asked)


def _cpu_flavors(asked: Field) -> Any:
    return project([{"specifics": {"stockStatus": "High"}}], asked)


def _input(asked: Field) -> Mapping[str, Any]:
    sent = asked.arguments.get("input")
    if not isinstance(sent, dict):
        raise HttpError(400, f"{asked.name} needs an input, which is an object")
    return sent
