"""The management plane: network volumes over REST v2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from ..server.http_errors import HttpError
from ..server.request_response import json_response, read_body

if TYPE_CHECKING:
    from starlette.requests import Request

    from ..account.volumes import EmulatedVolumes

_BODY_LIMIT = 1_000_000


class VolumeManagement:
    """Handlers of ``/api/v2/network-volumes``."""

    def __init__(self, volumes: EmulatedVolumes) -> None:
        self._volumes = volumes

    def routes(self) -> list[Route]:
        """The routes of this part of the plane."""
        base = "/api/v2/network-volumes"
        one = base + "/{volume}"
        return [
            Route(base, self.list, methods=["GET"]),
            Route(base, self.create, methods=["POST"]),
            Route(one, self.get, methods=["GET"]),
            Route(one, self.patch, methods=["PATCH"]),
            Route(one, self.delete, methods=["DELETE"]),
        ]

    async def list(self, _: Request) -> Response:
        """``GET /v2/network-volumes``."""
        documents = [volume.document() for volume in self._volumes.all()]
        return json_response({"networkVolumes": documents})

    async def create(self, request: Request) -> Response:
        """``POST /v2/network-volumes``."""
        # Here and below: pydantic is loaded with the first body, not before the first answer.
        from ..account.catalog_data import DATA_CENTERS
        from ..account.volume_requests import parse_create

        body = parse_create(await read_body(request, _BODY_LIMIT))
        if body["dataCenter"] not in DATA_CENTERS:
            known = ", ".join(sorted(DATA_CENTERS))
            raise HttpError(400, f"unknown data center {body['dataCenter']!r}; known: {known}")
        return json_response(self._volumes.create(body).document(), 201)

    async def get(self, request: Request) -> Response:
        """``GET /v2/network-volumes/{id}``."""
        return json_response(self._volumes.get(request.path_params["volume"]).document())

    async def patch(self, request: Request) -> Response:
        """``PATCH /v2/network-volumes/{id}``."""
        from ..account.volume_requests import parse_update

        body = await read_body(request, _BODY_LIMIT)
        volume = self._volumes.get(request.path_params["volume"])
        return json_response(self._volumes.update(volume.id, parse_update(body)).document())

    async def delete(self, request: Request) -> Response:
        """``DELETE /v2/network-volumes/{id}``."""
        await self._volumes.remove(request.path_params["volume"])
        return Response(status_code=204)
