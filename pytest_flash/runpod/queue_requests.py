"""Sending requests of the queue and load-balancing planes, on one event loop."""

from __future__ import annotations

from ..http.errors import TransportError
from ..http.messages import Request, Response, Timeouts
from ..target import Target
from . import connection_options, response_errors

_JSON = (b"Content-Type", b"application/json")


class Sender:
    """Adds a target's key and scope to requests, and sends each of them once.

    ``way`` is an address that is reached as the requests' will be: directly, or through the
    target's proxy.
    """

    def __init__(self, target: Target, way: str, timeouts: Timeouts) -> None:
        self._target = target
        self._headers = connection_options.headers(target)
        self._timeouts = timeouts
        self._client = connection_options.open_async_client(target, way)

    async def send(self, method: str, url: str, payload: bytes | None) -> Response:
        """Send JSON text, or nothing. Raises RunpodConnectionError when no whole answer came."""
        request = self._request(method, url, payload)
        try:
            return await self._client.send(request, self._timeouts)
        except TransportError as error:
            fault = response_errors.transport_error(request, error)
        # Not within the handler: the frames of the error hold the request's headers.
        raise fault

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _request(self, method: str, url: str, payload: bytes | None) -> Request:
        headers = [*self._headers, *connection_options.scope_headers(self._target)]
        if payload is not None:
            headers.append(_JSON)
        return Request.to(method, url, headers, payload or b"")
