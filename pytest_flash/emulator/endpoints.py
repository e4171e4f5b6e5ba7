"""Every endpoint of one emulator."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .endpoint import Endpoint, Surroundings
from .errors import HttpError

if TYPE_CHECKING:
    from .records import EndpointRecord


class Endpoints:
    """The endpoints by id. Lives on one event loop."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._endpoints: dict[str, Endpoint] = {}

    def all(self) -> list[Endpoint]:
        """Every endpoint, in the order of their creation."""
        return list(self._endpoints.values())

    def get(self, endpoint_id: str) -> Endpoint:
        """The endpoint of this id. Raises HttpError 404."""
        try:
            return self._endpoints[endpoint_id]
        except KeyError:
            raise HttpError(404, f"endpoint {endpoint_id!r} not found") from None

    def add(self, record: EndpointRecord) -> Endpoint:
        """Put an endpoint to work."""
        endpoint = Endpoint(record, self._surroundings)
        self._endpoints[record.id] = endpoint
        return endpoint

    def remove(self, endpoint_id: str) -> None:
        """End an endpoint with its jobs and workers. Raises HttpError 404."""
        self.get(endpoint_id).close()
        del self._endpoints[endpoint_id]

    async def close(self) -> None:
        """End every endpoint and wait until no worker process is left."""
        endpoints = list(self._endpoints.values())
        self._endpoints.clear()
        for endpoint in endpoints:
            endpoint.close()
        await asyncio.gather(*(endpoint.gone() for endpoint in endpoints))
