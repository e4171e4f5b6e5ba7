"""The management plane: serverless endpoints over REST v2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from ..account.endpoint_views import endpoint_document, workers_document
from ..server.request_response import json_response, read_body
from .log_stream import log_response

if TYPE_CHECKING:
    from starlette.requests import Request

    from ..account.volumes import EmulatedVolumes
    from ..scheduler.endpoints import EmulatedEndpoints

_BODY_LIMIT = 10_000_000


class Management:
    """Handlers of ``/api/v2/serverless``."""

    def __init__(self, endpoints: EmulatedEndpoints, volumes: EmulatedVolumes, origin: str) -> None:
        self._endpoints = endpoints
        self._volumes = volumes
        self._origin = origin

    def routes(self) -> list[Route]:
        """The routes of this plane."""
        base = "/api/v2/serverless"
        one = base + "/{endpoint}"
        return [
            Route(base, self.list, methods=["GET"]),
            Route(base, self.create, methods=["POST"]),
            Route(one, self.get, methods=["GET"]),
            Route(one, self.patch, methods=["PATCH"]),
            Route(one, self.delete, methods=["DELETE"]),
            Route(one + "/workers", self.workers, methods=["GET"]),
            Route(one + "/releases", self.releases, methods=["GET"]),
            Route(one + "/workers/{worker}/logs", self.logs, methods=["GET"]),
        ]

    async def list(self, _: Request) -> Response:
        """``GET /v2/serverless``."""
        endpoints = self._endpoints.all()
        documents = [endpoint_document(endpoint.record, self._origin) for endpoint in endpoints]
        return json_response({"endpoints": documents})

    async def create(self, request: Request) -> Response:
        """``POST /v2/serverless``."""
        # Here and below: pydantic is loaded with the first body, not before the first answer.
        from ..account.endpoint_records import created
        from ..account.endpoint_requests import parse_create

        body = parse_create(await read_body(request, _BODY_LIMIT))
        record = created(body)
        self._volumes.require(body.get("networkVolumes", ()))
        self._endpoints.add(record)
        return json_response(endpoint_document(record, self._origin), 201)

    async def get(self, request: Request) -> Response:
        """``GET /v2/serverless/{id}``."""
        endpoint = self._endpoints.get(request.path_params["endpoint"])
        return json_response(endpoint_document(endpoint.record, self._origin))

    async def patch(self, request: Request) -> Response:
        """``PATCH /v2/serverless/{id}``."""
        from ..account.endpoint_records import patched
        from ..account.endpoint_requests import parse_update

        content = await read_body(request, _BODY_LIMIT)
        endpoint = self._endpoints.get(request.path_params["endpoint"])
        body = parse_update(content)
        record = patched(endpoint.record, body)
        self._volumes.require(body.get("networkVolumes", ()))
        self._endpoints.update(record)
        return json_response(endpoint_document(record, self._origin))

    async def delete(self, request: Request) -> Response:
        """``DELETE /v2/serverless/{id}``."""
        self._endpoints.remove(request.path_params["endpoint"])
        return Response(status_code=204)

    async def workers(self, request: Request) -> Response:
        """``GET /v2/serverless/{id}/workers``."""
        endpoint = self._endpoints.get(request.path_params["endpoint"])
        workers = self._endpoints.workers(endpoint.record.id)
        return json_response(workers_document(endpoint.record, workers))

    async def releases(self, request: Request) -> Response:
        """``GET /v2/serverless/{id}/releases``."""
        endpoint = self._endpoints.get(request.path_params["endpoint"])
        releases = self._endpoints.releases(endpoint.record.id)
        workers = self._endpoints.workers(endpoint.record.id)
        return json_response(releases.document(endpoint.record, workers))

    async def logs(self, request: Request) -> Response:
        """``GET /v2/serverless/{id}/workers/{workerId}/logs``, as Server-Sent Events."""
        parameters = request.path_params
        log = self._endpoints.log(parameters["endpoint"], parameters["worker"])
        return log_response(request, log)
